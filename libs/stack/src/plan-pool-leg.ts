import type {
  CompressionAlgorithm,
  DesiredLeg,
  ObservedLeg,
  PlannedPoolStep,
  PoolStep,
  Problem,
} from '@flexbso/contracts';
import { plannedPoolSteps } from './plan-steps.js';
import { type Refused, problem, refused } from './problems.js';

/** The part of a desired leg that plans are made of. */
export interface PlannedPoolLeg {
  readonly legId: string;
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly compression?: CompressionAlgorithm | undefined;
  readonly epoch: number;
  readonly holder: { readonly cardId: string };
  readonly role: DesiredLeg['role'];
  readonly tombstone: boolean;
}

export interface PoolLegPlanInput {
  readonly poolId: string;
  /** Null: the pool has nothing of this leg. */
  readonly observed: ObservedLeg | null;
  readonly desired: PlannedPoolLeg | DesiredLeg;
}

export type PoolLegPlan = { readonly ok: true; readonly steps: PlannedPoolStep[] } | Refused;

/**
 * The steps that bring one leg on its pool from what is observed to what is desired; none when that is so already.
 * Refused: `needs-operator` when the leg belongs to another volume, a newer epoch or another holder, when its bytes are
 * damaged, or when it carries a volume and is not there; and `change-refused` when it would have to shrink.
 */
export function planPoolLeg({ poolId, observed, desired }: PoolLegPlanInput): PoolLegPlan {
  const refusal = (observed && refusalOf(poolId, observed, desired)) ?? absenceOf(poolId, observed, desired);
  if (refusal) return refused(refusal);
  return {
    ok: true,
    steps: plannedPoolSteps(
      poolId,
      desired.volumeId,
      desired.tombstone ? removal(observed) : upkeep(observed, desired),
    ),
  };
}

/** Nothing is made that is not being prepared: empty, it would take the place of bytes that somebody relies on. */
function absenceOf(poolId: string, observed: ObservedLeg | null, desired: PlannedPoolLeg): Problem | null {
  const { legId, role, tombstone } = desired;
  if (isMade(observed) || tombstone || role === 'preparing') return null;
  return problem(
    'needs-operator',
    `leg ${legId} on pool ${poolId}: the pool has nothing of it, and it was in use (${role}); it is not made anew, empty: put it back from a copy, or delete the volume`,
    { legId, poolId },
  );
}

/** Size 0: its creation was begun, and is done again. */
function isMade(observed: ObservedLeg | null): observed is ObservedLeg {
  return observed !== null && observed.sizeBytes > 0;
}

function removal(observed: ObservedLeg | null): PoolStep[] {
  if (!observed) return [];
  const { legId } = observed;
  const stop: PoolStep[] = observed.serving ? [{ kind: 'stop-serving-leg', legId }] : [];
  return [...stop, { kind: 'delete-leg', legId }];
}

function upkeep(observed: ObservedLeg | null, desired: PlannedPoolLeg): PoolStep[] {
  const { legId, sizeBytes, epoch, compression } = desired;
  const serve: PoolStep = { kind: 'serve-leg', legId, epoch, holderCardId: desired.holder.cardId };
  if (!isMade(observed)) {
    const create: PoolStep = {
      kind: 'create-leg',
      legId,
      sizeBytes,
      ...(compression === undefined ? {} : { compression }),
    };
    return [create, serve];
  }
  const fence = fenceOf(observed, desired);
  // Whoever held it is cut off from damaged bytes as well; nobody is given them.
  if (observed.damage !== undefined) return fence;
  const grow: PoolStep[] =
    observed.sizeBytes < sizeBytes ? [{ kind: 'grow-leg', legId, fromSizeBytes: observed.sizeBytes, sizeBytes }] : [];
  const isServed = observed.serving?.epoch === epoch;
  return [...fence, ...grow, ...(isServed ? [] : [serve])];
}

function fenceOf({ serving, epoch: lastEpoch }: ObservedLeg, { legId, epoch }: PlannedPoolLeg): PoolStep[] {
  const fromEpoch = serving?.epoch ?? lastEpoch;
  // Epoch 0: it was never served, so there is nobody to cut off.
  return fromEpoch > 0 && fromEpoch < epoch ? [{ kind: 'fence-leg', legId, fromEpoch, epoch }] : [];
}

/** Who holds the leg at an epoch; null: nobody, or it is at another one. A fence that was cut short leaves an older one serving. */
function holderAt({ serving, epoch, holderCardId }: ObservedLeg, wantedEpoch: number): string | null {
  if (serving?.epoch === wantedEpoch) return serving.holderCardId;
  return serving === null && epoch === wantedEpoch ? holderCardId : null;
}

function refusalOf(poolId: string, observed: ObservedLeg, desired: PlannedPoolLeg): Problem | null {
  const where = `leg ${desired.legId} on pool ${poolId}`;
  const stop = (reason: string) =>
    problem('needs-operator', `${where}: ${reason}; nothing was touched`, { legId: desired.legId, poolId });
  if (observed.legId !== desired.legId) return stop(`what was observed is leg ${observed.legId}`);
  if (observed.volumeId !== desired.volumeId)
    return stop(`it belongs to volume ${observed.volumeId}, not to ${desired.volumeId}`);
  if (desired.tombstone) return null;
  if (observed.damage !== undefined && fenceOf(observed, desired).length === 0) return stop(observed.damage);
  const epoch = Math.max(observed.epoch, observed.serving?.epoch ?? 0);
  if (epoch > desired.epoch)
    return stop(`it is at epoch ${epoch}, and epoch ${desired.epoch} is wanted: an epoch never goes back`);
  const holder = holderAt(observed, desired.epoch);
  if (holder !== null && holder !== desired.holder.cardId) {
    return stop(
      `card ${holder} holds it at epoch ${epoch}; another holder, ${desired.holder.cardId}, needs a higher epoch`,
    );
  }
  if (observed.sizeBytes > desired.sizeBytes) {
    return problem(
      'change-refused',
      `${where} has ${observed.sizeBytes} bytes and cannot shrink to ${desired.sizeBytes}`,
      { legId: desired.legId, poolId },
    );
  }
  return null;
}
