import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Principal } from '../principal.js';
import {
  createIdentity,
  createSealingKey,
  open,
  publicKeyOf,
  seal,
  SealBrokenError,
  sealingPublicKeyOf,
} from './keys.js';
import { makeIdentities, readUsers, seedFileOf } from './make-identities.js';
import { readSeedFile } from './seed-file.js';

describe('a folder of identities', () => {
  let dir: string;
  const card: Principal = { kind: 'card', id: 'card-1' };
  const scheduler: Principal = { kind: 'service', name: 'scheduler' };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'flexbso-identities-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it('holds a seed for its owner only, and the public keys of all', async () => {
    const [made] = await makeIdentities(dir, [card]);
    expect((await stat(seedFileOf(dir, card))).mode & 0o777).toBe(0o600);
    const seed = await readSeedFile(seedFileOf(dir, card));
    expect(publicKeyOf(seed)).toBe(made?.publicKey);
    expect(await readFile(join(dir, 'users.json'), 'utf8')).not.toContain(seed);
  });

  it('keeps what is there, and adds what is new', async () => {
    const [first] = await makeIdentities(dir, [card]);
    const again = await makeIdentities(dir, [scheduler, card]);
    expect(again.map(({ principal }) => principal)).toEqual([scheduler, card]);
    expect(again[1]).toEqual(first);
    await makeIdentities(dir, [scheduler]);
    expect((await readUsers(dir)).map(({ principal }) => principal)).toEqual([card, scheduler]);
  });

  it('takes no id that would be another subject or another file', async () => {
    for (const id of ['a.b', '*', '>', '../x', '']) {
      await expect(makeIdentities(dir, [{ kind: 'card', id }])).rejects.toThrow(/an id is/);
    }
    await expect(readUsers(dir)).resolves.toEqual([]);
  });

  it('refuses a seed that others may read, that is missing, or that is none', async () => {
    const path = join(dir, 'one.seed');
    await expect(readSeedFile(path)).rejects.toMatchObject({ code: 'seed_file_unreadable', path });
    const { seed } = createIdentity();
    await writeFile(path, seed);
    await chmod(path, 0o604);
    await expect(readSeedFile(path)).rejects.toMatchObject({ code: 'seed_file_too_open' });
    await chmod(path, 0o600);
    await expect(readSeedFile(path)).resolves.toBe(seed);
    await writeFile(path, 'not a seed');
    await expect(readSeedFile(path)).rejects.toMatchObject({ code: 'seed_file_invalid' });
  });
});

describe('a sealed secret', () => {
  const sender = createSealingKey();
  const recipient = createSealingKey();
  const plain = new TextEncoder().encode('the key of a volume');

  it('is opened by its recipient', () => {
    const secret = seal(plain, recipient.publicKey, sender.seed);
    expect(secret.from).toBe(sender.publicKey);
    expect(Buffer.from(open(secret, sender.publicKey, recipient.seed))).toEqual(Buffer.from(plain));
    expect(sealingPublicKeyOf(recipient.seed)).toBe(recipient.publicKey);
  });

  it('differs each time', () => {
    expect(seal(plain, recipient.publicKey, sender.seed)).not.toEqual(seal(plain, recipient.publicKey, sender.seed));
  });

  it('stays closed to another, from another, and when it was changed', () => {
    const other = createSealingKey();
    const secret = seal(plain, recipient.publicKey, sender.seed);
    expect(() => open(secret, sender.publicKey, other.seed)).toThrow(SealBrokenError);
    expect(() => open(secret, other.publicKey, recipient.seed)).toThrow(SealBrokenError);
    expect(() => open({ ...secret, from: other.publicKey }, other.publicKey, recipient.seed)).toThrow(SealBrokenError);
    const bytes = Buffer.from(secret.sealed, 'base64');
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    const changed = { ...secret, sealed: bytes.toString('base64') };
    expect(() => open(changed, sender.publicKey, recipient.seed)).toThrow(SealBrokenError);
    expect(() => open({ ...secret, sealed: '' }, sender.publicKey, recipient.seed)).toThrow(SealBrokenError);
  });
});
