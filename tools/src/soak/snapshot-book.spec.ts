import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { snapshotSchema } from '@flexbso/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clusterFolders } from '../cluster/folders.js';
import { SnapshotBook } from './snapshot-book.js';

const [volumeId, snapshotId, legId] = ['vol-0123456789', 'snap-0123456789', 'leg-0123456789'];
const snapshot = snapshotSchema.parse({
  snapshotId,
  volumeId,
  volumeName: 'soaked',
  name: 'at-1',
  state: 'ready',
  sizeBytes: 4096,
  stack: { layers: [] },
  keyRef: null,
  stackGeneration: 1,
  legs: [{ legId, poolId: 'pool-1', sizeBytes: 4096, stackGeneration: 1 }],
  format: 'flat',
  reservations: [{ poolId: 'pool-1', capacityBytes: 4096 }],
  changeId: 'chg-0123456789',
  createdAtMs: 0,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soak-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** As a pool keeps a leg that is not compressed, and one that is. */
const files = [`${legId}.raw`, join(`${legId}.compressed`, 'leg.raw')];

it.each(files)('complains of a snapshot whose leg changed or went, and of none that is as it was: %s', async (file) => {
  const complaints: string[] = [];
  const folders = { ...clusterFolders(folder), run: join(folder, 'run') };
  for (const path of [folders.pools, folders.agents, folders.run]) await mkdir(path, { recursive: true });
  const watched = {
    cluster: { folders },
    api: { get: async <T>(_path: string, schema: { parse(value: unknown): T }) => schema.parse(snapshot) },
    tally: { complain: (what: string) => void complaints.push(what) },
  };
  const path = join(folders.pools, file);
  await mkdir(dirname(path), { recursive: true });
  const book = new SnapshotBook();
  await writeFile(path, 'as it was');
  await book.note(watched, snapshotId, volumeId);
  await book.compare(watched, snapshotId, volumeId);
  expect(complaints).toEqual([]);
  await writeFile(path, 'as it is');
  await book.compare(watched, snapshotId, volumeId);
  await rm(path);
  await book.compare(watched, snapshotId, volumeId);
  expect(complaints).toEqual([
    expect.stringContaining('is not as it was'),
    expect.stringContaining('has no file'),
    expect.stringContaining('is not as it was'),
  ]);
  book.forget(snapshotId);
  await book.compare(watched, snapshotId, volumeId);
  expect(complaints).toHaveLength(3);
});
