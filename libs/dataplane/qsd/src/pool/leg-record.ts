import { cardIdSchema, compressionAlgorithmSchema, legIdSchema, volumeIdSchema } from '@flexbso/contracts';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { readIfThere } from '../daemon/processes.js';
import { refused } from '../errors.js';

/** What stands beside each leg: whose it is, and how it was last served. Synced to disk at every change. */
export const legRecordSchema = z.strictObject({
  v: z.literal(1),
  legId: legIdSchema,
  volumeId: volumeIdSchema,
  /** 0: its creation was begun and its file may be in any state. */
  sizeBytes: z.int().min(0),
  /** 0: it was never served. */
  epoch: z.int().min(0),
  holderCardId: cardIdSchema.nullable(),
  role: z.enum(['preparing', 'current', 'frozen', 'retiring']),
  /** As it was last asked to be served; null: not to be served. Whether it is served is looked at, not read here. */
  serving: z.strictObject({ epoch: z.int().min(1), holderCardId: cardIdSchema }).nullable(),
  /** Kept while the leg lives and bound again, never another: its holder has this one open; null: none was ever bound. */
  port: z.int().min(1).max(65535).nullable(),
  /** How its file is compressed; null: not at all. */
  compression: compressionAlgorithmSchema.nullable().default(null),
  /** Under which btrfs counts what it takes; null: it is not compressed, or not made yet. */
  subvolumeId: z.int().min(0).nullable().default(null),
});
export type LegRecord = z.infer<typeof legRecordSchema>;

export const recordPath = (directory: string, legId: string): string => join(directory, `${legId}.json`);

/** Ends the name of a file while it is written. */
const UNFINISHED = '.new';
const recordSuffix = `.json${UNFINISHED}`;
export const isUnfinishedRecord = (name: string): boolean =>
  name.endsWith(recordSuffix) && legIdSchema.safeParse(name.slice(0, -recordSuffix.length)).success;

/** What tells where the bytes of a leg lie. */
export type LegName = Pick<LegRecord, 'legId' | 'compression'>;

/** A leg that is compressed lies in a subvolume of its own. */
export function dataPath(directory: string, { legId, compression }: LegName): string {
  return compression === null ? join(directory, `${legId}.raw`) : join(directory, `${legId}.compressed`, 'leg.raw');
}

/** @throws DataPlaneError `needs-operator` for a record that cannot be read: whose the leg is, is not guessed */
export async function readRecord(directory: string, legId: string): Promise<LegRecord | null> {
  const path = recordPath(directory, legId);
  const text = await readIfThere(path);
  if (text === null) return null;
  try {
    return legRecordSchema.parse(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.ZodError)) throw cause;
    throw refused(
      'needs-operator',
      `${path} is not the record of a leg: restore it from a copy, or move it and ${legId}.raw away`,
    );
  }
}

export async function writeRecord(directory: string, record: LegRecord): Promise<void> {
  await writeDurably(recordPath(directory, record.legId), `${JSON.stringify(record)}\n`);
}

/** Writes a whole file so that after a crash either the old or the new content is there. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncDirectory(dirname(path));
}

/** Makes creations, renames and removals in a directory outlive a crash. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
