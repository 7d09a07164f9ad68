import { ProblemError, type VolumePatch } from '@flexbso/contracts';
import { growsInPlace, isRigid, isSame, legCountOf, legSizeBytes, validateStack } from '@flexbso/stack';
import type { Aggregate } from '../changes/draft.js';
import { isFinal } from '../changes/transitions.js';
import type { LegRecord } from '../legs/leg-record.js';
import { chooseForLegs, preferredPoolIds } from '../placement/choose.js';
import { withCompressor } from '../placement/compressor.js';
import type { ChangeRecord } from '../changes/change-record.js';
import { keptGenerations, leavingStacks } from '../snapshots/kept-stacks.js';
import { refuseUnacknowledged, refuseWithSnapshots } from '../snapshots/refusals.js';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import { refuseGrowthByOneLeg, refuseLackOfRedundancy } from './always-redundant.js';
import { endingSnapshots } from './bound-plan.js';
import { changeOfStages } from './change-of-stages.js';
import { planReservations } from '../placement/plan-reservations.js';
import {
  bothReservations,
  copyDemandOf,
  copyReservations,
  exactReservations,
  formerReservations,
} from '../placement/volume-reservations.js';
import { type Difference, differencesOf, needsNewStack, needsNoWork, patched } from './differences.js';
import { plannedVolume } from './planned.js';
import { assertMade, refuseDetached } from './standing.js';
import { refuseKeyOfNothing, refuseSurplusPools } from './refused-patches.js';
import { withoutWork } from './without-work.js';
import {
  type Asking,
  cardOrThrow,
  emptyPlan,
  newChange,
  newLegs,
  planOrThrow,
  poolCapabilitiesOf,
  type Proposal,
  type World,
} from './proposal.js';
import { keyRefOf, seedOf } from './propose-create.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

/** A volume changes one step at a time, from the generation that the client saw. */
export function assertChangeable(present: Aggregate, basedOnGeneration: number): void {
  const { volume, change } = present;
  if (volume.followUp !== null) {
    const { changeId } = volume.followUp.change;
    throw new ProblemError({
      code: 'change-in-flight',
      detail: `change ${changeId} of volume ${volume.name} waits for its turn behind ${change.changeId}; wait until it is over, or cancel it`,
      facts: { changeId, state: 'queued' },
    });
  }
  if (!isFinal(change.state)) throw inFlight(present);
  assertGeneration(present, basedOnGeneration);
}

/**
 * What waits for an operator may wait for ever, and a deletion needs no agreement on what is deleted. What is queued has
 * not begun: it goes with the volume.
 */
export function assertDeletable(present: Aggregate, basedOnGeneration: number): void {
  const { state } = present.change;
  if (!isFinal(state) && state !== 'needs-operator') throw inFlight(present);
  assertGeneration(present, basedOnGeneration);
}

function inFlight({ volume, change }: Aggregate): ProblemError {
  return new ProblemError({
    code: 'change-in-flight',
    detail: `change ${change.changeId} of volume ${volume.name} is ${change.state}; wait until it is over, then change the generation that it leaves`,
    facts: { changeId: change.changeId, state: change.state },
  });
}

/** What a client decided on is what there is. */
export function assertGeneration({ volume }: Aggregate, basedOnGeneration: number): void {
  if (volume.generation !== basedOnGeneration) {
    throw new ProblemError({
      code: 'stale-generation',
      detail: `volume ${volume.name} is at generation ${volume.generation}, and the update is based on ${basedOnGeneration}; read it again and decide anew`,
      facts: { generation: volume.generation, basedOnGeneration },
    });
  }
}

/**
 * Decides what a patch takes. Nothing different: a change that is settled at once and keeps the generation, so that a
 * client which repeats itself succeeds. Changes nothing. @throws ProblemError with the refusal.
 */
export function proposeChange(world: World, present: Aggregate, asked: VolumePatch, asking: Asking): Proposal {
  const { volume } = present;
  const patch = withKnownCompressor(world, present, asked);
  assertMade(present);
  const presentLegs = legsOfStack(present, volume.want);
  const presentPools = presentLegs.map(({ poolId }) => poolId);
  const want = patched(volume.want, patch);
  const asIsAsked = differencesOf(volume.want, presentPools, patch);
  refuseDetached(volume, asIsAsked);
  const isFree = patch.placement?.poolIds.length === 0;
  const preferred = isFree ? preferredPools(world, present, want) : presentPools;
  const stays = isFree && isWithin(presentPools, preferred);
  const differences = stays ? asIsAsked.filter((one) => one !== 'pools') : asIsAsked;
  refuseKeyOfNothing(volume, want, patch);
  refuseSurplusPools(patch.placement?.poolIds ?? [], legCountOf(want.stack.layers));
  refuseLackOfRedundancy(volume, want, differences);
  refuseGrowthByOneLeg(volume, want);
  refuseUnacknowledged(volume, want, differences, asked);
  if (needsNoWork(differences) || volume.want.detached) return withoutWork(world, present, want, differences, asking);
  const isRigidlyLarger = want.sizeBytes > volume.want.sizeBytes && isRigid(want.stack.layers);
  return isRigidlyLarger
    ? byWayOfOneLeg(world, present, want, differences, asking, preferred)
    : inOneStage(world, present, want, differences, asking, preferred);
}

/** One holds all of the other: a stack of fewer legs, or of more, is nowhere else for that. */
function isWithin(some: readonly string[], others: readonly string[]): boolean {
  const [fewer, more] = some.length < others.length ? [some, others] : [others, some];
  return fewer.every((poolId) => more.includes(poolId));
}

/** Where placement prefers the legs of what is wanted, whatever pools were named before. */
function preferredPools({ fleet, deciding }: World, { volume, legs, reservations }: Aggregate, want: VolumeWant) {
  refuseInvalid(want);
  const card = cardOrThrow(fleet, volume.cardId);
  const leaving = legsOfStack({ legs }, volume.want);
  const held = reservations.filter(({ reservationId }) => leaving.some(({ legId }) => legId === reservationId));
  return preferredPoolIds(
    fleet,
    want,
    card,
    new Map(held.map((reservation) => [reservation.ownerId, reservation])),
    seedOf(volume.volumeId),
    copyDemandOf(volume, legs, deciding.copyBytesPerSecond),
  );
}

/** `poolIds`: where the legs of a new stack go, unless pools are named or there is no room. */
function inOneStage(
  world: World,
  present: Aggregate,
  want: VolumeWant,
  differences: Difference[],
  asking: Asking,
  poolIds: readonly string[],
): Proposal {
  return needsNewStack(differences) || growsOntoAnotherLeg(world, present, want)
    ? swap(world, present, want, differences, asking, { poolIds })
    : inPlace(world, present, want, differences, asking);
}

/**
 * A stack that cannot become larger is made anew at the new size, from one leg that could: a first stage leads to that
 * leg, a second from it to the stack. Room for both is held from the beginning.
 */
function byWayOfOneLeg(
  world: World,
  present: Aggregate,
  want: VolumeWant,
  differences: Difference[],
  asking: Asking,
  poolIds: readonly string[],
): Proposal {
  const { volume } = present;
  const stack = { layers: want.stack.layers.filter((layer) => !isRigid([layer])) };
  const isSameStack = isSame(stack, volume.want.stack);
  const kept = differences.filter((one) => one !== 'stack' && (one !== 'pools' || !isSameStack));
  const first = inOneStage(
    world,
    present,
    // Undone to this, it is not to have what it cannot do.
    { ...want, stack, alwaysRedundant: volume.want.alwaysRedundant ?? false },
    isSameStack ? kept : [...kept, 'stack'],
    asking,
    poolIds,
  );
  const middle = first.legs.filter((leg) => leg.stackGeneration === first.volume.want.stackGeneration);
  const between = { ...present, ...first, legs: middle };
  const final = { ...want, stackGeneration: first.volume.want.stackGeneration, keyRef: first.volume.want.keyRef };
  const second = swap(world, between, final, ['stack'], asking, { poolIds });
  const added = legsOfStack(second, second.volume.want);
  return {
    volume: first.volume,
    change: changeOfStages(present, first, second, differences, world.deciding.copyBytesPerSecond),
    legs: [...first.legs, ...added],
    reservations: second.reservations,
  };
}

/** What the patch asks of the stack, saying who compresses. A card that is not known is judged later, by the swap. */
function withKnownCompressor({ fleet }: World, { volume }: Aggregate, patch: VolumePatch): VolumePatch {
  if (patch.stack === undefined) return patch;
  const capabilities = fleet.card(volume.cardId)?.snapshot.capabilities ?? { has: [], lacks: [] };
  return { ...patch, stack: { layers: withCompressor(patch.stack.layers, volume.want.stack.layers, capabilities) } };
}

/** Whether more bytes take a new leg: there is one, and it cannot become as large as that where it is. */
function growsOntoAnotherLeg(world: World, present: Aggregate, to: VolumeWant): boolean {
  const { want: from, cardId } = present.volume;
  const legs = legsOfStack(present, from);
  const [leg] = legs;
  if (to.sizeBytes <= from.sizeBytes || leg === undefined || legs.length > 1) return false;
  const capabilities = world.fleet.card(cardId)?.snapshot.capabilities;
  // Left by a growth that was taken back: growing the head would cut it down to less than its pool recorded.
  if (capabilities && leg.sizeBytes > legSizeBytes(to.stack.layers, to.sizeBytes, capabilities)) return true;
  // An overlay's tables are made for one size.
  return from.bases !== undefined || !growsInPlace(legs, poolCapabilitiesOf(world, legs));
}

type BadLeg = Pick<LegRecord, 'legId' | 'poolId'>;

/**
 * A new stack of the same layers on sound legs: a mirror's leg is not made good in place. The pools of the other legs
 * are kept where there is room beside them; a pool that was named for a bad leg is named no more.
 */
export function proposeReplacement(
  world: World,
  present: Aggregate,
  badLegs: readonly BadLeg[],
  asking: Asking,
): Proposal {
  const { want } = present.volume;
  const { poolIds = [], ...placement } = want.placement;
  const sound = poolIds.filter((poolId) => !badLegs.some((leg) => leg.poolId === poolId));
  const wanted = { ...want, placement: sound.length === 0 ? placement : { ...placement, poolIds: sound } };
  const proposed = swap(world, present, wanted, ['pools'], asking, { badLegs });
  return { ...proposed, change: { ...proposed.change, kind: 'heal' } };
}

/** At the head: limits, and size where data plane and legs can. */
function inPlace(
  world: World,
  present: Aggregate,
  want: VolumeWant,
  differences: Difference[],
  asking: Asking,
): Proposal {
  const { fleet, deciding } = world;
  const card = fleet.card(present.volume.cardId)?.snapshot;
  const grows = want.sizeBytes > present.volume.want.sizeBytes && card !== undefined;
  const legBytes = grows ? legSizeBytes(want.stack.layers, want.sizeBytes, card.capabilities) : 0;
  const legs = present.legs.map((leg): LegRecord => {
    if (leg.sizeBytes >= legBytes || leg.stackGeneration !== want.stackGeneration) return leg;
    return { ...leg, sizeBytes: legBytes, awaited: true };
  });
  return proposal(world, present, want, legs, { differences, asking, deciding });
}

/** Beneath the head: a new stack with legs and a key of its own, on the pools that were named or chosen. */
function swap(
  world: World,
  present: Aggregate,
  patchedWant: VolumeWant,
  differences: Difference[],
  asking: Asking,
  { badLegs = [], poolIds }: { badLegs?: readonly BadLeg[]; poolIds?: readonly string[] } = {},
): Proposal {
  const { fleet, deciding } = world;
  const { volume } = present;
  refuseInvalid(patchedWant);
  const card = cardOrThrow(fleet, volume.cardId);
  const stackGeneration = volume.generation + 1;
  // Copied flat: what lies beneath overlays stays with the snapshots.
  const { bases: _, ...flat } = patchedWant;
  const want = {
    ...flat,
    stackGeneration,
    keyRef: keyRefOf(volume.volumeId, patchedWant.stack, stackGeneration),
  };
  const pools = chooseForLegs(
    fleet,
    want,
    card,
    poolIds ??
      legsOfStack(present, volume.want)
        .filter(({ legId }) => !badLegs.some((bad) => bad.legId === legId))
        .map(({ poolId }) => poolId),
    seedOf(volume.volumeId),
    copyDemandOf(volume, present.legs, deciding.copyBytesPerSecond),
    badLegs.map(({ poolId }) => poolId),
  );
  const sizeBytes = legSizeBytes(want.stack.layers, want.sizeBytes, card.capabilities);
  const made = newLegs(volume, stackGeneration, pools, {
    sizeBytes,
    holder: { cardId: card.cardId, sealingKey: card.sealingKey },
  });
  return proposal(world, present, want, [...present.legs, ...made], { differences, asking, deciding });
}

function refuseInvalid({ stack }: VolumeWant): void {
  const invalid = validateStack(stack.layers);
  if (invalid) throw new ProblemError(invalid);
}

interface How {
  readonly kind?: 'change' | 'snapshot' | 'delete-snapshot' | 'rollback';
  readonly differences: Difference[];
  readonly asking: Asking;
  readonly deciding: World['deciding'];
  /** As they are from now on; left out: as they were. */
  readonly snapshots?: SnapshotRecord[];
  /** Those that are there once the change is settled; left out: all. */
  readonly remaining?: readonly SnapshotRecord[];
}

/** From the present want to another, on legs of which those that nobody refers to any more go when it is applied. */
export function proposal(world: World, present: Aggregate, want: VolumeWant, legs: LegRecord[], how: How): Proposal {
  const { volume } = present;
  const { kind = 'change', differences, asking, deciding, snapshots = volume.snapshots, remaining = snapshots } = how;
  const rate = deciding.copyBytesPerSecond;
  const kept = keptGenerations(want, remaining);
  const keptLegs = legs.filter((leg) => kept.has(leg.stackGeneration));
  const before = present.reservations;
  const wanted = exactReservations({ ...volume, want }, keptLegs);
  const after = [...wanted, ...formerReservations(volume, before)];
  const steps = planOrThrow(
    world,
    volume.cardId,
    plannedVolume(volume, volume.want, present.legs, rate),
    plannedVolume(volume, want, legs, rate),
    leavingStacks(volume, present.legs, kept),
  );
  const copying = steps.bytesToCopy > 0 ? copyReservations(volume, volume.want, want, legs, rate) : [];
  const reservations = bothReservations(bothReservations(before, wanted), copying);
  const ending = snapshots.filter((one) => !remaining.includes(one));
  const held = planReservations({ before, during: reservations, after });
  const plan = endingSnapshots({ ...steps, reservations: held }, ending);
  const generation = volume.generation + 1;
  const next = { ...volume, want, generation, state: 'changing' as const };
  const about = {
    kind,
    differences,
    fromGeneration: volume.generation,
    toGeneration: generation,
    plan,
    from: volume.want,
  };
  const change = newChange({ ...next, snapshots }, about, asking, deciding);
  return { volume: { ...next, snapshots: ownedBy(change, volume, snapshots) }, change, legs, reservations };
}

/** A snapshot that the change makes or deletes is the change's from now on. */
function ownedBy({ changeId }: ChangeRecord, before: VolumeRecord, snapshots: readonly SnapshotRecord[]) {
  return snapshots.map((one) => (before.snapshots.includes(one) ? one : { ...one, changeId }));
}

export function legsOfStack({ legs }: Pick<Aggregate, 'legs'>, want: VolumeWant): LegRecord[] {
  return legs.filter((leg) => leg.stackGeneration === want.stackGeneration);
}

/** Decides what taking the volume away takes. */
export function proposeDelete(
  world: World,
  present: Aggregate,
  asking: Asking,
  { withSnapshots = false }: { readonly withSnapshots?: boolean } = {},
): Proposal {
  const { deciding } = world;
  const { volume, legs } = present;
  if (!withSnapshots) refuseWithSnapshots(volume);
  const rate = deciding.copyBytesPerSecond;
  const from = legs.length > 0 ? plannedVolume(volume, volume.want, legs, rate) : null;
  const { reservations } = present;
  const plan = from
    ? {
        ...planOrThrow(
          world,
          volume.cardId,
          from,
          { ...from, tombstone: true },
          leavingStacks(volume, legs, new Set()),
        ),
        reservations: planReservations({ before: reservations, during: reservations, after: [] }),
      }
    : emptyPlan;
  const generation = volume.generation + 1;
  // Those that go with it: nothing is to be made of them any more.
  const snapshots = volume.snapshots.map((one) =>
    one.state === 'ready' ? { ...one, state: 'deleting' as const } : one,
  );
  const next = { ...volume, generation, state: 'deleting' as const, followUp: null };
  const about = {
    kind: 'delete' as const,
    differences: [],
    fromGeneration: volume.generation,
    toGeneration: generation,
    plan: endingSnapshots(plan, snapshots),
    // Of one that waits for an operator nobody knows what there is to go back to.
    from: present.change.state === 'needs-operator' ? null : volume.want,
  };
  const change = newChange({ ...next, snapshots }, about, asking, deciding);
  return { volume: { ...next, snapshots: ownedBy(change, volume, snapshots) }, change, legs, reservations };
}
