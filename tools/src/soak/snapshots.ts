import type { Change, Volume } from '@flexbso/contracts';
import type { Changed } from '../api/client.js';
import { passes } from './killer.js';
import type { Random } from './random.js';
import { CHANGE_DEADLINE_MS, followed } from './subject.js';
import type { SoakScene, Subject } from './subject.js';

/** Each is as large as its volume, and a volume may be beside its next stack. */
const MOST_SNAPSHOTS = 3;
const BETWEEN_ATTEMPTS_MS = 1_000;

type Meanwhile = (change: Change) => Promise<void>;
type Ended = Change['state'] | null;

/** Takes a snapshot, deletes one, or takes the volume off its card, or its function, and shows it again; at random, as far as it makes sense. */
export function snapshotRound(
  scene: SoakScene,
  subject: Subject,
  before: Volume,
  random: Random,
  meanwhile: Meanwhile,
): Promise<Ended> {
  const { snapshots } = before;
  const acts = [
    ...(snapshots.length < MOST_SNAPSHOTS ? [() => taken(scene, subject, before, meanwhile)] : []),
    ...(snapshots.length > 0 ? [() => deleted(scene, subject, random.pick(snapshots), meanwhile)] : []),
    () => subject.guest.awayFor(() => detachedAndAttached(scene, subject.volume)),
    () => subject.guest.awayFor(() => onOtherFunction(scene, subject.volume, random)),
  ];
  return random.pick(acts)();
}

async function taken(scene: SoakScene, subject: Subject, before: Volume, meanwhile: Meanwhile): Promise<Ended> {
  const { volumeId, generation } = before;
  const name = `at-${generation}`;
  const take = () => scene.api.createSnapshot(volumeId, name);
  const ended = await followed(scene, 'snapshot', take, meanwhile);
  if (ended !== 'settled') return ended;
  const made = (await scene.api.volume(volumeId)).snapshots.find((one) => one.name === name);
  if (made) await subject.snapshots.note(scene, made.snapshotId, volumeId);
  else scene.tally.complain(`${volumeId} has no snapshot ${name}, which is settled`);
  return ended;
}

async function deleted(
  scene: SoakScene,
  { volume: { volumeId }, snapshots }: Subject,
  { snapshotId }: Volume['snapshots'][number],
  meanwhile?: Meanwhile,
): Promise<Ended> {
  await snapshots.compare(scene, snapshotId, volumeId);
  snapshots.forget(snapshotId);
  return followed(scene, 'delete snapshot', () => scene.api.deleteSnapshot(volumeId, snapshotId), meanwhile);
}

/** The newest first, which is written back where the volume stands right on it. @returns whether none is left */
export async function deleteSnapshots(scene: SoakScene, subject: Subject): Promise<boolean> {
  const { snapshots } = await scene.api.volume(subject.volume.volumeId);
  for (const snapshot of snapshots.toReversed())
    if ((await deleted(scene, subject, snapshot)) !== 'settled') return false;
  return true;
}

/** Of those that each card has. One that another volume has is refused; on its own a volume is already. */
const FUNCTIONS = 16;

/** Cuts its client off for a moment. */
async function onOtherFunction(scene: SoakScene, { volumeId }: Volume, random: Random): Promise<Ended> {
  const functionId = `vf-${random.between(0, FUNCTIONS)}`;
  return followed(scene, 'other function', () => scene.api.attachVolume(volumeId, { functionId }));
}

/** Shown again for as long as it takes: whom a kill has just hit cannot be attached to for a while. */
async function detachedAndAttached(scene: SoakScene, { volumeId }: Volume): Promise<Ended> {
  const { api } = scene;
  const detached = await followed(scene, 'detach', () => api.detachVolume(volumeId));
  if (detached !== 'settled') return detached;
  const over = AbortSignal.timeout(CHANGE_DEADLINE_MS);
  const attach = (): Promise<Changed> => api.attachVolume(volumeId);
  let attached = await followed(scene, 'attach', attach);
  while (attached !== 'settled' && attached !== null && (await passes(BETWEEN_ATTEMPTS_MS, over)))
    attached = await followed(scene, 'attach', attach);
  return attached === 'settled' ? attached : null;
}
