import { randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { createSealingKey } from '@flexbso/messaging';
import { z } from 'zod';

const keyFileSchema = z.strictObject({
  v: z.literal(1),
  /** 32 bytes in base64: wraps every volume key in the database. */
  wrapKey: z.base64().refine((text) => Buffer.from(text, 'base64').length === 32, 'the wrap key has 32 bytes'),
  /** With which the scheduler seals keys to cards. */
  sealingSeed: z.string().regex(/^SX[A-Z2-7]{56}$/, 'a curve seed: SX and 56 base32 characters'),
});

export interface KeyFile {
  readonly wrapKey: Uint8Array;
  readonly sealingSeed: string;
}

/** The key file cannot be used; the text says why and what to do, and never what is in it. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
  readonly code = 'key_file';
}

/**
 * Reads the key file, and makes it where there is none. Without this file the volume keys in the database are lost:
 * it belongs into the backup, apart from the database.
 *
 * @throws KeyFileError when others may read it, or it is no key file
 */
export async function loadKeyFile(path: string): Promise<KeyFile> {
  const text = (await readExisting(path)) ?? (await make(path));
  const parsed = keyFileSchema.safeParse(jsonOrNull(text));
  if (!parsed.success)
    throw new KeyFileError(`${path} is not a key file: ${parsed.error.issues[0]?.message ?? 'it fits no schema'}`);
  return { wrapKey: Buffer.from(parsed.data.wrapKey, 'base64'), sealingSeed: parsed.data.sealingSeed };
}

async function readExisting(path: string): Promise<string | null> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new KeyFileError(
        `${path} has mode ${(mode & 0o777).toString(8)}; others must not read it: chmod 600 ${path}`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function make(path: string): Promise<string> {
  const text = JSON.stringify({
    v: 1,
    wrapKey: randomBytes(32).toString('base64'),
    sealingSeed: createSealingKey().seed,
  });
  // Never over an existing one, and on the disk before any key is wrapped under it.
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return text;
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parse error would quote the file: the schema's refusal of null says enough.
    return null;
  }
}
