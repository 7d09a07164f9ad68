import { open } from 'node:fs/promises';

/** A seed's file cannot be used: missing, open to others, or not a seed. The message never holds the content. */
export class SeedFileError extends Error {
  override readonly name = 'SeedFileError';
  readonly code: 'seed_file_unreadable' | 'seed_file_too_open' | 'seed_file_invalid';
  readonly path: string;

  constructor(code: SeedFileError['code'], path: string, what: string, options?: ErrorOptions) {
    super(`${path} ${what}`, options);
    this.code = code;
    this.path = path;
  }
}

/** A seed is `S`, the kind's letter and base32: 58 characters. */
const seedPattern = /^S[A-Z2-7]{57}$/;
/** Far above a seed; a wrong file is not read whole. */
const MAX_SEED_FILE_BYTES = 1024;

/**
 * Reads an nkey or curve seed.
 *
 * @throws SeedFileError when anybody but the owner may read or write the file
 */
export async function readSeedFile(path: string): Promise<string> {
  const { mode, text } = await readBounded(path);
  // The mode of the opened file, so that it cannot be exchanged between the look and the read.
  if ((mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(4, '0');
    throw new SeedFileError('seed_file_too_open', path, `has mode ${found}: run 'chmod 0600' on it`);
  }
  const seed = text.trim();
  if (!seedPattern.test(seed)) throw new SeedFileError('seed_file_invalid', path, 'does not hold an nkey seed');
  return seed;
}

async function readBounded(path: string): Promise<{ mode: number; text: string }> {
  try {
    await using file = await open(path, 'r');
    const { mode } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_SEED_FILE_BYTES), 0, MAX_SEED_FILE_BYTES, 0);
    return { mode, text: buffer.toString('utf8', 0, bytesRead) };
  } catch (cause) {
    throw new SeedFileError('seed_file_unreadable', path, 'cannot be read', { cause });
  }
}
