import { MAX_OVERLAY_DEPTH, MAX_VOLUME_LEGS, ProblemError } from '@flexbso/contracts';
import { isSame, legCountOf, legSizeBytes, overlayBytes } from '@flexbso/stack';
import type { Aggregate } from '../changes/draft.js';
import { chooseForLegs } from '../placement/choose.js';
import { refuseLackOfRedundancy } from '../volumes/always-redundant.js';
import type { Difference } from '../volumes/differences.js';
import { proposal } from '../volumes/propose-change.js';
import { keyRefOf, seedOf } from '../volumes/propose-create.js';
import { type Asking, cardOrThrow, newLegs, type Proposal, type World } from '../volumes/proposal.js';
import { assertMade } from '../volumes/standing.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import { findSnapshot } from './propose-snapshot.js';
import type { SnapshotRecord } from './snapshot-record.js';

/**
 * Decides what it takes that a detached volume holds what a snapshot holds: an overlay on the snapshot, on legs and with a
 * key of its own, which the next card builds. What the volume held goes, but for what a snapshot refers to. Changes
 * nothing. @throws ProblemError with the refusal.
 */
export function proposeRollback(world: World, present: Aggregate, reference: string, asking: Asking): Proposal {
  const { fleet, deciding } = world;
  const { volume } = present;
  assertMade(present);
  const snapshot = findSnapshot(present, reference);
  refuseUnfit(present, snapshot);
  const card = cardOrThrow(fleet, volume.cardId);
  const want = wantOn(volume, snapshot);
  const differences = differencesOf(volume.want, want);
  refuseLackOfRedundancy(volume, want, differences);
  const carriedBytes = overlayBytes(want.sizeBytes, card.capabilities);
  const presentPools = present.legs
    .filter((leg) => leg.stackGeneration === volume.want.stackGeneration)
    .map(({ poolId }) => poolId);
  const carried = { ...want, sizeBytes: carriedBytes };
  const pools = chooseForLegs(fleet, carried, card, presentPools, seedOf(volume.volumeId), null);
  const made = newLegs(volume, want.stackGeneration, pools, {
    sizeBytes: legSizeBytes(want.stack.layers, carriedBytes, card.capabilities),
    holder: { cardId: card.cardId, sealingKey: card.sealingKey },
  });
  const how = { kind: 'rollback' as const, differences, asking, deciding };
  return proposal(world, present, want, [...present.legs, ...made], how);
}

/** The snapshot's size and layers; all else as it is wanted now. */
function wantOn(
  volume: VolumeRecord,
  { sizeBytes, stackGeneration, stack, keyRef, bases }: SnapshotRecord,
): VolumeWant {
  const ownGeneration = volume.generation + 1;
  const { lost: _, ...known } = volume.want;
  return {
    ...known,
    sizeBytes,
    stack,
    stackGeneration: ownGeneration,
    keyRef: keyRefOf(volume.volumeId, stack, ownGeneration),
    bases: [{ stackGeneration, stack, keyRef }, ...bases],
    neverBuilt: true,
  };
}

function differencesOf(from: VolumeWant, to: VolumeWant): Difference[] {
  return [
    'content',
    ...(from.sizeBytes === to.sizeBytes ? [] : (['size'] as const)),
    ...(isSame(from.stack, to.stack) ? [] : (['stack'] as const)),
  ];
}

/** @throws ProblemError `change-refused` */
function refuseUnfit({ volume, legs }: Aggregate, snapshot: SnapshotRecord): void {
  const refusal = refusalOf(volume, legs.length, snapshot);
  if (refusal === null) return;
  const facts = { snapshotId: snapshot.snapshotId };
  throw new ProblemError({ code: 'change-refused', detail: refusal, facts });
}

function refusalOf({ name, want, cardId }: VolumeRecord, legCount: number, snapshot: SnapshotRecord): string | null {
  const what = `volume ${name} is not rolled back to its snapshot ${snapshot.name}`;
  // What a guest has in its memory of the device would be written over what it then finds.
  if (!want.detached) return `${what}: it is attached to card ${cardId}; detach it first`;
  if (snapshot.state !== 'ready') return `${what}, which is ${snapshot.state}`;
  const depth = snapshot.bases.length + 1;
  if (depth > MAX_OVERLAY_DEPTH)
    return `${what}: it would run on ${depth} stacks upon each other, and may on ${MAX_OVERLAY_DEPTH}; make a clone of the snapshot, and move that to other pools`;
  const needed = legCount + legCountOf(snapshot.stack.layers);
  if (needed > MAX_VOLUME_LEGS)
    return `${what}: it and its snapshots would have ${needed} legs, and may have ${MAX_VOLUME_LEGS}; delete snapshots first`;
  return null;
}
