import { describe, expect, it } from 'vitest';
import { seededRandomness } from '../testing/memory-cell.js';
import { type Seal, Vault, WrappedKeyError } from './vault.js';

/** Keeps what it is given, so that the test can see the key that was sealed. */
function vaultWith(seed: string, wrapKey = new Uint8Array(32)) {
  const plain: string[] = [];
  const seal: Seal = (bytes, recipient) => {
    plain.push(Buffer.from(bytes).toString('hex'));
    return { from: 'scheduler', sealed: recipient };
  };
  return { vault: new Vault({ wrapKey, seal, randomness: seededRandomness(seed) }), plain };
}

const facts = { keyRef: 'key-0000000001', volumeId: 'vol-0000000001', stackGeneration: 1 };

describe('the vault', () => {
  it('seals the same key again for another card', () => {
    const { vault, plain } = vaultWith('a');
    const record = vault.make(facts, 'XOLD');
    const again = vault.reseal(record, 'XNEW');
    expect(again).toMatchObject({ wrapped: record.wrapped, sealedTo: 'XNEW' });
    expect(plain[1]).toBe(plain[0]);
    expect(plain[0]).toHaveLength(64);
  });

  it('makes another key each time, and shows none of it in the record', () => {
    const { vault, plain } = vaultWith('a');
    const record = vault.make(facts, 'X');
    vault.make(facts, 'X');
    expect(plain[0]).not.toBe(plain[1]);
    expect(JSON.stringify(record)).not.toContain(Buffer.from(plain[0] ?? '', 'hex').toString('base64'));
  });

  it('does not open a wrapped key under another reference, or another wrap key', () => {
    const record = vaultWith('a').vault.make(facts, 'X');
    expect(() => vaultWith('a').vault.reseal({ ...record, keyRef: 'key-0000000002' }, 'X')).toThrow(WrappedKeyError);
    expect(() => vaultWith('a', new Uint8Array(32).fill(1)).vault.reseal(record, 'X')).toThrow(WrappedKeyError);
  });
});
