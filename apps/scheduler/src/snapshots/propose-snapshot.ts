import { MAX_OVERLAY_DEPTH, MAX_SNAPSHOTS, MAX_VOLUME_LEGS, ProblemError, type SnapshotSpec } from '@flexbso/contracts';
import { legCountOf, legSizeBytes, overlayBytes } from '@flexbso/stack';
import type { Aggregate } from '../changes/draft.js';
import { derivedId } from '../ids.js';
import { chooseForLegs } from '../placement/choose.js';
import { proposal } from '../volumes/propose-change.js';
import { keyRefOf, seedOf } from '../volumes/propose-create.js';
import { type Asking, cardOrThrow, newLegs, type Proposal, type World } from '../volumes/proposal.js';
import { assertMade, refuseDetached } from '../volumes/standing.js';
import type { VolumeWant } from '../volumes/volume-record.js';
import { stacksOf } from './kept-stacks.js';
import type { SnapshotRecord } from './snapshot-record.js';

/**
 * Decides what a snapshot takes: an overlay of the same layers, on legs and with a key of its own, over what the volume
 * runs on now, which is the snapshot from then on. Changes nothing. @throws ProblemError with the refusal.
 */
export function proposeSnapshot(world: World, present: Aggregate, { name }: SnapshotSpec, asking: Asking): Proposal {
  const { fleet, deciding } = world;
  const { volume } = present;
  assertMade(present);
  refuseDetached(volume, ['snapshot']);
  refuseTaken(present, name);
  refuseTooMany(present);
  const card = cardOrThrow(fleet, volume.cardId);
  const stackGeneration = volume.generation + 1;
  const { want: before } = volume;
  const keyRef = keyRefOf(volume.volumeId, before.stack, stackGeneration);
  const want: VolumeWant = { ...before, stackGeneration, keyRef, bases: stacksOf(before) };
  const carriedBytes = overlayBytes(before.sizeBytes, card.capabilities);
  const presentPools = present.legs
    .filter((leg) => leg.stackGeneration === before.stackGeneration)
    .map(({ poolId }) => poolId);
  const carried = { ...want, sizeBytes: carriedBytes };
  const pools = chooseForLegs(fleet, carried, card, presentPools, seedOf(volume.volumeId), null);
  const made = newLegs(volume, stackGeneration, pools, {
    sizeBytes: legSizeBytes(before.stack.layers, carriedBytes, card.capabilities),
    holder: { cardId: card.cardId, sealingKey: card.sealingKey },
  });
  const snapshot: SnapshotRecord = {
    snapshotId: derivedId('snap', volume.volumeId, before.stackGeneration, volume.generation),
    name,
    state: 'making',
    sizeBytes: before.sizeBytes,
    stackGeneration: before.stackGeneration,
    stack: before.stack,
    keyRef: before.keyRef,
    bases: before.bases ?? [],
    // Named when the change is; a dry run has none.
    changeId: '',
    createdAtMs: deciding.nowMs,
  };
  const snapshots = [...volume.snapshots, snapshot];
  const how = { kind: 'snapshot' as const, differences: ['snapshot' as const], asking, deciding, snapshots };
  return proposal(world, present, want, [...present.legs, ...made], how);
}

/**
 * Decides what deleting a snapshot takes. The newest, where the volume is an overlay right on it and nothing else lies on
 * it, is ended by writing the overlay back into it. Any other goes as a thing: its legs stay while others read through
 * them, and go with the last that does. @throws ProblemError with the refusal.
 */
export function proposeDeleteSnapshot(world: World, present: Aggregate, reference: string, asking: Asking): Proposal {
  const { volume } = present;
  assertMade(present);
  refuseDetached(volume, ['snapshot']);
  const snapshot = findSnapshot(present, reference);
  const others = volume.snapshots.filter(({ snapshotId }) => snapshotId !== snapshot.snapshotId);
  const snapshots = volume.snapshots.map((one) => (one === snapshot ? { ...one, state: 'deleting' as const } : one));
  const want = isWrittenBack(volume.want, snapshot, others) ? beneath(volume.want) : volume.want;
  const how = {
    kind: 'delete-snapshot' as const,
    differences: ['snapshot' as const],
    asking,
    deciding: world.deciding,
  };
  return proposal(world, present, want, present.legs, { ...how, snapshots, remaining: others });
}

/** @throws ProblemError `not-found` */
export function findSnapshot({ volume }: Pick<Aggregate, 'volume'>, reference: string): SnapshotRecord {
  const found = volume.snapshots.find(({ snapshotId, name }) => snapshotId === reference || name === reference);
  if (found) return found;
  throw new ProblemError({ code: 'not-found', detail: `volume ${volume.name} has no snapshot ${reference}` });
}

function isWrittenBack(
  { bases = [] }: VolumeWant,
  snapshot: SnapshotRecord,
  others: readonly SnapshotRecord[],
): boolean {
  const { stackGeneration } = snapshot;
  const isReferred = others.some((one) => [one, ...one.bases].some((base) => base.stackGeneration === stackGeneration));
  return bases[0]?.stackGeneration === stackGeneration && !isReferred;
}

/** The want on the stack right beneath the present one. */
function beneath({ bases = [], ...want }: VolumeWant): VolumeWant {
  const [base, ...rest] = bases;
  if (!base) return want;
  return { ...want, ...base, ...(rest.length === 0 ? {} : { bases: rest }) };
}

function refuseTaken({ volume }: Aggregate, name: string): void {
  const taken = volume.snapshots.find((one) => one.name === name);
  if (!taken) return;
  const detail = `volume ${volume.name} has a snapshot ${name} already (${taken.snapshotId}, ${taken.state}); choose another name, or delete it first`;
  throw new ProblemError({ code: 'name-taken', detail, facts: { snapshotId: taken.snapshotId } });
}

function refuseTooMany({ volume, legs }: Aggregate): void {
  const { name, snapshots, want } = volume;
  if (snapshots.length >= MAX_SNAPSHOTS) {
    const detail = `volume ${name} has ${snapshots.length} snapshots, and may have ${MAX_SNAPSHOTS}; delete one first`;
    throw new ProblemError({ code: 'change-refused', detail, facts: { limit: MAX_SNAPSHOTS } });
  }
  const legCount = legs.length + legCountOf(want.stack.layers);
  if (legCount > MAX_VOLUME_LEGS) {
    const detail = `volume ${name} and its snapshots would have ${legCount} legs, and may have ${MAX_VOLUME_LEGS}; delete snapshots first`;
    throw new ProblemError({ code: 'change-refused', detail, facts: { limit: MAX_VOLUME_LEGS } });
  }
  const depth = want.bases?.length ?? 0;
  if (depth < MAX_OVERLAY_DEPTH) return;
  const detail = `volume ${name} runs on ${depth} stacks upon each other, and may on ${MAX_OVERLAY_DEPTH}; moving it to other pools makes one of them, and leaves its snapshots where they are`;
  throw new ProblemError({ code: 'change-refused', detail, facts: { limit: MAX_OVERLAY_DEPTH } });
}
