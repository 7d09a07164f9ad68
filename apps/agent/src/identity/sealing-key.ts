import { createSealingKey, open as openSealed, readSeedFile, seal, sealingPublicKeyOf } from '@flexbso/messaging/agent';
import { access, link, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Sealer } from '../ports/sealer.js';
import { syncFolder, writeSynced } from '../store/synced-file.js';

/** The machine's own curve key from its file of mode 0600; made there at the first start. Its seed never leaves the machine. */
export async function loadSealer(seedFile: string): Promise<Sealer> {
  if (!(await exists(seedFile))) await makeSeed(seedFile);
  const seed = await readSeedFile(seedFile);
  return {
    publicKey: sealingPublicKeyOf(seed),
    open: (secret) => openSealed(secret, secret.from, seed),
    seal: (plain, recipientPublicKey) => seal(plain, recipientPublicKey, seed),
  };
}

/** Whole or not there: a seed that is half written would lock the volumes' keys away for ever. */
async function makeSeed(seedFile: string): Promise<void> {
  const draft = `${seedFile}.new`;
  await rm(draft, { force: true });
  await writeSynced(draft, `${createSealingKey().seed}\n`);
  // Unlike a rename, a link never puts a new seed in the place of one that volumes are sealed for.
  await link(draft, seedFile);
  await rm(draft);
  await syncFolder(dirname(seedFile));
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
