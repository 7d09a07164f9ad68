import { randomBytes } from 'node:crypto';
import { copyFile, open, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { changeSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { contentOf, NumberedWrites } from '../load/numbered-writes.js';
import { refusalsOf } from './testing/gone-snapshots.js';
import { leftoversOf } from './testing/leftovers.js';
import { refusalOf } from './testing/refusal.js';
import { checked } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
/** A volume beside, whose client goes on writing through all of it. */
let neighbour: Volume;
let writes: NumberedWrites;
beforeAll(async () => {
  await system.start();
  neighbour = await system.create('neighbour', { placement: { cardId: 'card-1', poolIds: ['pool-4'] } });
  writes = await NumberedWrites.start(uriOf(neighbour));
}, START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const uriOf = ({ name, uri }: Volume): string => {
  if (uri === null) throw new Error(`${name} has no address`);
  return uri;
};
const legFile = ({ legs }: Volume): string =>
  join(system.cluster.folders.pools, String(legs[0]?.poolId), `${legs[0]?.legId}.raw`);

async function written(name: string, more: Record<string, unknown>): Promise<{ volume: Volume; content: Buffer }> {
  const volume = await system.create(name, { sizeBytes: 16 * MiB, ...more });
  const client = await NumberedWrites.start(uriOf(volume));
  await until('the client writes', DEADLINE_MS, async () => client.acknowledgedCount > 500);
  await client.stop();
  return { volume, content: await contentOf(uriOf(volume)) };
}

async function neighbourGoesOn(): Promise<void> {
  const soFar = writes.acknowledgedCount;
  await until('the neighbour is served', DEADLINE_MS, async () => writes.acknowledgedCount > soFar + 100);
  expect(writes.failedCount).toBe(0);
}

/** What the volume's changes and a check say of it. */
async function said({ volumeId }: Volume): Promise<string> {
  const { items } = await system.api.get(
    `/v1/changes?volumeId=${volumeId}`,
    z.object({ items: z.array(changeSchema) }),
  );
  const { differences } = await checked(system);
  return JSON.stringify({ problems: items.map(({ problem }) => problem), differences });
}

async function isServedWith(volume: Volume, content: Buffer): Promise<void> {
  await until('it is served again', DEADLINE_MS, () => system.isServed(volume));
  expect((await contentOf(uriOf(volume))).equals(content)).toBe(true);
  await until('everything is as it is recorded', DEADLINE_MS, async () => {
    const { differences, underWay } = await checked(system);
    return differences.length + underWay === 0;
  });
  expect(await system.api.volume(volume.volumeId)).toMatchObject({ state: 'ready' });
  expect(await said(volume)).not.toMatch(/"code"/);
}

const HEADER_BYTES = 2 * MiB;
type Spoil = (file: string) => Promise<void>;
const damaged: Spoil = async (path) => {
  const file = await open(path, 'r+');
  await file.write(randomBytes(HEADER_BYTES / 2), 0, HEADER_BYTES / 2, 0);
  await file.close();
};
/** A header as another volume's key opens it. */
const ofAnotherKey: Spoil = async (path) => {
  const other = await system.create('other', { sizeBytes: 16 * MiB, stack: { layers: [{ kind: 'encryption' }] } });
  const header = (await readFile(legFile(other))).subarray(0, HEADER_BYTES / 2);
  const file = await open(path, 'r+');
  await file.write(header, 0, header.length, 0);
  await file.close();
  await system.remove(other);
};

describe('bytes that are not what they should be, beneath one volume beside another', { timeout: 300_000 }, () => {
  it.each<[string, Spoil]>([
    ['a damaged encryption header', damaged],
    ['an encryption header of another key', ofAnotherKey],
  ])('%s: says which leg and key, writes nothing, and goes on once the header is back', async (name, spoil) => {
    const { volume, content } = await written(`secret-${name.replaceAll(' ', '-')}`, {
      stack: { layers: [{ kind: 'encryption' }] },
    });
    const file = legFile(volume);
    await copyFile(file, `${file}.kept`);
    await spoil(file);
    const spoilt = await readFile(file);
    await killProcesses(dataPlanesIn(join(system.cluster.folders.run, 'card-1', volume.volumeId)));
    const [leg] = volume.legs;
    const words = new RegExp(`${volume.keyRef} does not open the encryption of ${volume.volumeId} on ${leg?.legId}`);
    await until('it is said', DEADLINE_MS, async () => words.test(await said(volume)));
    // Said at the first attempt; after some of them somebody is asked for.
    await until('it needs an operator', DEADLINE_MS, async () => {
      const { state } = await system.api.volume(volume.volumeId);
      return state === 'needs-operator';
    });
    await neighbourGoesOn();
    expect(await system.isServed(volume)).toBe(false);
    expect((await readFile(file)).equals(spoilt)).toBe(true);
    await copyFile(`${file}.kept`, file);
    await isServedWith(volume, content);
    await system.remove(volume);
  });

  it('a leg file that somebody truncated: says which and how, neither extends nor serves it, and goes on once it is back', async () => {
    const { volume, content } = await written('cut', { placement: { cardId: 'card-1', poolIds: ['pool-5'] } });
    const file = legFile(volume);
    await copyFile(file, `${file}.kept`);
    await truncate(file, 8 * MiB);
    const spoilt = await readFile(file);
    await killProcesses(dataPlanesIn(join(system.cluster.folders.run, 'pool-5')));
    const words = /has 8388608 bytes, and 16777216 are recorded. It is neither served nor extended/;
    await until('it is said', DEADLINE_MS, async () => words.test(await said(volume)));
    await neighbourGoesOn();
    expect((await readFile(file)).equals(spoilt)).toBe(true);
    expect(dataPlanesIn(join(system.cluster.folders.run, 'pool-5'))).toEqual([]);
    await copyFile(`${file}.kept`, file);
    await isServedWith(volume, content);
    await system.remove(volume);
  });

  it('snapshots of a volume that has them, ends one, is being deleted, or is deleted: refused by name, and nothing is lost', async () => {
    const { api, cluster } = system;
    const { volume, content } = await written('frozen', { placement: { cardId: 'card-1', poolIds: ['pool-5'] } });
    const { volumeId } = volume;
    const now = () => api.volume(volumeId);
    await system.settled((await api.createSnapshot(volumeId, 'monday')).change);
    const frozen = await readFile(legFile(volume));
    expect((await refusalOf(api.deleteVolume(volumeId))).code).toBe('has-snapshots');
    // Its change stays under way until the agent is back.
    await cluster.kill('agent-card-1', 'SIGKILL');
    const ending = (await api.deleteSnapshot(volumeId, 'monday')).change;
    expect(await refusalsOf(system, await now(), 'monday')).toEqual({
      snapshot: 'change-in-flight',
      clone: 'change-refused',
      'roll back': 'change-in-flight',
      'delete the snapshot': 'change-in-flight',
      'delete the volume': 'change-in-flight',
    });
    expect((await readFile(legFile(volume))).equals(frozen)).toBe(true);
    expect((await contentOf(uriOf(volume))).equals(content)).toBe(true);
    await cluster.restart('agent-card-1');
    await system.settled(ending);
    expect((await contentOf(uriOf(volume))).equals(content)).toBe(true);
    await cluster.kill('agent-card-1', 'SIGKILL');
    const deleting = (await api.deleteVolume(volumeId)).change;
    expect(await refusalsOf(system, await now(), 'monday')).toEqual({
      snapshot: 'change-in-flight',
      clone: 'not-found',
      'roll back': 'change-in-flight',
      'delete the snapshot': 'change-in-flight',
      'delete the volume': 'change-in-flight',
    });
    await cluster.restart('agent-card-1');
    await system.settled(deleting);
    const gone = Object.entries(await refusalsOf(system, volume, 'monday'));
    expect(gone.map(([, code]) => code)).toEqual(gone.map(() => 'not-found'));
    expect((await system.volumes()).map(({ name }) => name)).toEqual(['neighbour']);
    await neighbourGoesOn();
  });

  it('nothing of the neighbour was lost, and nothing is left over but what was put there', async () => {
    await neighbourGoesOn();
    await writes.stop();
    expect(writes.numbers.wrongIn(await contentOf(uriOf(neighbour)))).toEqual([]);
    await system.remove(neighbour);
    expect((await leftoversOf(system)).filter((path) => !path.endsWith('.kept'))).toEqual([]);
  });
});
