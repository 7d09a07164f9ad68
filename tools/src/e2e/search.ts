import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const PIECE_BYTES = 4 * 1024 ** 2;

/** The forms in which a key of random bytes is usually written down. */
export function formsOf(key: Buffer): Buffer[] {
  const texts = [
    key.toString('hex'),
    key.toString('hex').toUpperCase(),
    key.toString('base64').replaceAll('=', ''),
    key.toString('base64url'),
    // As Node prints a buffer in JSON.
    [...key].join(','),
  ];
  return [key, ...texts.map((text) => Buffer.from(text))];
}

/** Every file beneath a folder in which one of the needles stands; sockets and what ends meanwhile are passed over. */
export async function filesHolding(folder: string, needles: readonly Buffer[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (await fileHolds(path, needles)) found.push(path);
  }
  return found;
}

/** A file that is written beside another to take its place, and has. */
const TAKEN_PLACE = /\.new$/;

async function fileHolds(path: string, needles: readonly Buffer[]): Promise<boolean> {
  const file = await opened(path);
  if (file !== null) return holds(file, needles);
  return TAKEN_PLACE.test(path) ? fileHolds(path.replace(TAKEN_PLACE, ''), needles) : false;
}

/** Null: it went meanwhile. */
async function opened(path: string): Promise<FileHandle | null> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function holds(file: FileHandle, needles: readonly Buffer[]): Promise<boolean> {
  const overlapBytes = Math.max(...needles.map((needle) => needle.length)) - 1;
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; ;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset);
      if (needles.some((needle) => piece.subarray(0, bytesRead).includes(needle))) return true;
      if (bytesRead < PIECE_BYTES) return false;
      offset += bytesRead - overlapBytes;
    }
  } finally {
    await file.close();
  }
}

/** Command lines and environments of all processes that hold one of the needles. */
export async function processesShowing(needles: readonly Buffer[]): Promise<string[]> {
  const shown: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    for (const file of ['cmdline', 'environ']) {
      const [read] = await Promise.allSettled([readFile(`/proc/${pid}/${file}`)]);
      // A process that ended while it was looked at shows nothing any more.
      if (read.status === 'fulfilled' && needles.some((needle) => read.value.includes(needle)))
        shown.push(`/proc/${pid}/${file}`);
    }
  }
  return shown;
}
