import { setTimeout as delay } from 'node:timers/promises';
import type { Change, Volume, VolumePatch } from '@flexbso/contracts';
import { ApiError } from '../api/client.js';
import type { ApiClient, Changed } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { Guest } from './guest.js';
import { descriptorsOf, neededDataPlanes } from './leaks.js';
import type { Random } from './random.js';
import { SnapshotBook } from './snapshot-book.js';
import type { Tally } from './tally.js';
import type { Reach } from './wishes.js';

const MiB = 1024 ** 2;
const LEAST_BYTES = 16 * MiB;
/** A change takes a second or two; one whose service is killed over and over some ten times as long. */
export const CHANGE_DEADLINE_MS = 180_000;
/** Agents look at a daemon by a connection that lasts a moment: the least of some looks is without it. */
const LOOKS = 10;
const BETWEEN_LOOKS_MS = 100;

export interface SoakScene {
  readonly cluster: Cluster;
  readonly api: ApiClient;
  readonly tally: Tally;
  /** By card. */
  readonly reaches: ReadonlyMap<string, Reach>;
  /** For how long what is left over may still go by itself. */
  readonly leftoverMs: number;
}

/** The stack that a volume began on, to come back to at the end, and what its data plane had open then. */
interface Beginning {
  readonly patch: VolumePatch;
  readonly descriptors: number;
}

/** One volume with its client. */
export interface Subject {
  readonly volume: Volume;
  readonly guest: Guest;
  readonly snapshots: SnapshotBook;
  readonly beginning: Beginning;
}

export interface Form {
  readonly layers: readonly NonNullable<VolumePatch['stack']>['layers'][number][];
  readonly legCount: number;
}

/** Forms that a volume begins on, by how many legs they have. */
const forms = [
  { layers: [], legCount: 1 },
  { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }], legCount: 1 },
  { layers: [{ kind: 'raid1', legCount: 3, safeRead: false }], legCount: 3 },
] as const satisfies readonly Form[];
/** On every pool that its card reaches. */
export const widestForm: Form = forms[2];

/** Creates a volume, fills it and starts its client. Null: it could not be made, which the tally says. `tag`: of this one alone. */
export async function begin(
  scene: SoakScene,
  cardId: string,
  tag: number,
  random: Random,
  { layers, legCount }: Form = random.pick(forms),
): Promise<Subject | null> {
  const reachable = reachOf(scene, cardId).poolIds;
  const poolIds = legCount === 1 ? [random.pick(reachable)] : [...reachable];
  const patch: VolumePatch = { stack: { layers: [...layers] }, placement: { poolIds }, qos: null };
  const sizeBytes = LEAST_BYTES + random.between(0, 4) * MiB;
  const spec = { name: `soak-${tag}`, sizeBytes, protocol: 'nbd', stack: patch.stack, placement: { cardId, poolIds } };
  const volume = await created(scene, spec);
  if (volume === null) return null;
  const descriptors = await planeDescriptors(scene.cluster, volume);
  const guest = await Guest.start(String(volume.uri), tag, random.fork(), scene.tally);
  return { volume, guest, snapshots: new SnapshotBook(), beginning: { patch, descriptors } };
}

async function created(scene: SoakScene, spec: Record<string, unknown>): Promise<Volume | null> {
  const { api, tally } = scene;
  const begun = await unlessRefused(tally, 'create', () => api.createVolume(spec));
  if (begun === null) return null;
  const { volumeId } = begun.volume;
  const ended = await endOf(scene, 'create', begun.change);
  // One that could not be made stays, as failed, until it is deleted.
  if (ended === 'undone') await end(scene, volumeId);
  if (ended !== 'settled') return null;
  const volume = await api.volume(volumeId);
  if (volume.uri !== null) return volume;
  tally.complain(`${volumeId} is settled and has no address`);
  return null;
}

export function reachOf({ reaches }: SoakScene, cardId: string): Reach {
  const reach = reaches.get(cardId);
  if (reach === undefined) throw new Error(`no pools are known for ${cardId}`);
  return reach;
}

/** Deletes a volume that has no client any more. @returns whether it is gone */
export async function end(scene: SoakScene, volumeId: string): Promise<boolean> {
  const begun = await unlessRefused(scene.tally, 'delete', () => scene.api.deleteVolume(volumeId));
  return begun !== null && (await endOf(scene, 'delete', begun.change)) === 'settled';
}

/** Asks for a change of a volume as it is now; waits until it has ended or was refused, and counts either. */
export async function changed(
  scene: SoakScene,
  kind: string,
  { volumeId, generation }: Volume,
  patch: VolumePatch,
  meanwhile?: (change: Change) => Promise<void>,
): Promise<Change['state'] | null> {
  return followed(scene, kind, () => scene.api.patchVolume(volumeId, generation, patch), meanwhile);
}

/** The same of a change that is asked for in any way. */
export async function followed(
  scene: SoakScene,
  kind: string,
  ask: () => Promise<Changed>,
  meanwhile: (change: Change) => Promise<void> = async () => undefined,
): Promise<Change['state'] | null> {
  const begun = await unlessRefused(scene.tally, kind, ask);
  if (begun === null) return 'refused';
  await meanwhile(begun.change);
  return endOf(scene, kind, begun.change);
}

/** Statuses of a refusal among those of failures: the pool has no room. */
const NO_ROOM = 507;

/** Null: it was refused, which is counted, or failed or stayed without an answer, which is complained of. */
export async function unlessRefused<T>(tally: Tally, kind: string, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isRefusal = error.code !== null && (error.status < 500 || error.status === NO_ROOM);
    if (isRefusal) tally.refusedWith(kind, error.code);
    else tally.complain(`${kind}: ${error.message}`);
    return null;
  }
}

/** Null, with a complaint: it did not end by the deadline, or waits for an operator. */
export async function endOf(
  { api, tally }: SoakScene,
  kind: string,
  { changeId }: Change,
): Promise<Change['state'] | null> {
  let ended: Change;
  try {
    ended = await api.ended(changeId, CHANGE_DEADLINE_MS);
  } catch (error) {
    tally.complain(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
  const { state, problem } = ended;
  if (state === 'needs-operator') {
    tally.complain(`${kind} of ${ended.volumeId}: change ${changeId} needs an operator: ${problem?.detail ?? ''}`);
    return null;
  }
  tally.change(kind, state, problem?.code ?? 'no reason');
  return state;
}

/** What the data plane of a volume and those of its legs have open, each between two looks of its agent. */
export async function planeDescriptors({ folders }: Pick<Cluster, 'folders'>, volume: Volume): Promise<number> {
  const planes = neededDataPlanes(folders, [volume]).flatMap((folder) => dataPlanesIn(folder).slice(0, 1));
  const least = planes.map(() => Number.POSITIVE_INFINITY);
  for (let look = 0; look < LOOKS; look += 1) {
    for (const [at, { pid }] of planes.entries()) least[at] = Math.min(least[at] ?? 0, descriptorsOf(pid) ?? 0);
    await delay(BETWEEN_LOOKS_MS);
  }
  return least.reduce((sum, open) => sum + open, 0);
}
