import {
  type Caller,
  type Capabilities,
  type CardSnapshot,
  type Change,
  type Outage,
  ProblemError,
} from '@flexbso/contracts';
import { type Fleet } from '@flexbso/placement';
import {
  acceptedPlanOf,
  destroysOf,
  digestOf,
  type PlannedStack,
  type PlannedVolume,
  type PlanOfSteps,
  planChange,
} from '@flexbso/stack';
import type { ChangeRecord } from '../changes/change-record.js';
import type { Aggregate, Deciding } from '../changes/draft.js';
import { derivedId } from '../ids.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ChosenPool } from '../placement/choose.js';
import { boundPlan, type PlanOfWork } from './bound-plan.js';
import type { VolumeBefore, VolumeRecord } from './volume-record.js';

/** Who asks for a change, and within which trace. */
export interface Asking {
  readonly caller: Caller;
  readonly trace: Record<string, string>;
}

/** A volume as it would be once the change is accepted; keys are made only when it is. */
export type Proposal = Omit<Aggregate, 'keys' | 'given'>;

export interface World {
  readonly fleet: Fleet;
  readonly deciding: Deciding;
}

/** @throws ProblemError `unavailable` */
export function cardOrThrow(fleet: Fleet, cardId: string): CardSnapshot {
  const card = fleet.card(cardId)?.snapshot;
  if (card) return card;
  throw new ProblemError({
    code: 'unavailable',
    detail: `card ${cardId} is not known at the moment: inventory has published no snapshot of it`,
  });
}

/** Of the pools that these legs are on, as far as inventory knows them. */
export function poolCapabilitiesOf(
  { fleet }: World,
  legs: readonly { readonly poolId: string }[],
): Map<string, Capabilities> {
  const known = new Map<string, Capabilities>();
  for (const { poolId } of legs) {
    const pool = fleet.pool(poolId);
    if (pool) known.set(poolId, pool.snapshot.capabilities);
  }
  return known;
}

export function planOrThrow(
  world: World,
  cardId: string,
  from: PlannedVolume | null,
  to: PlannedVolume,
  leaving?: readonly PlannedStack[],
): PlanOfSteps {
  const { fleet } = world;
  const card = fleet.card(cardId)?.snapshot;
  // Taking away needs no capability, and must be possible for a card that inventory no longer knows.
  if (!card && !to.tombstone) {
    throw new ProblemError({
      code: 'unavailable',
      detail: `card ${cardId} is not known at the moment: inventory has published no snapshot of it`,
    });
  }
  const planned = planChange({
    cardId,
    cardCapabilities: card?.capabilities ?? { has: [], lacks: [] },
    from,
    to,
    poolCapabilities: poolCapabilitiesOf(world, to.stack.legs),
    ...(leaving === undefined ? {} : { leaving }),
  });
  if (!planned.ok) throw new ProblemError(planned.problem);
  return planned.plan;
}

/** The plan of a change that takes no work of any agent, and no other room. */
export const emptyPlan: PlanOfWork = {
  steps: [],
  digest: digestOf([]),
  card: acceptedPlanOf([]),
  cutOverIndex: null,
  secondStageAt: null,
  destroys: destroysOf([]),
  bytesToCopy: 0,
  expectedSeconds: 0,
  reservations: [],
  grows: null,
  lacks: [],
  lacksAfter: [],
  guestFeels: null,
};

/** `volume`: as the change leaves it, its snapshots too. */
export function newChange(
  volume: VolumeRecord,
  what: Pick<Change, 'kind' | 'differences' | 'fromGeneration' | 'toGeneration'> & {
    plan: PlanOfWork;
    from: VolumeBefore | null;
  },
  { caller, trace }: { caller: Pick<Caller, 'name'>; trace: Record<string, string> },
  { nowMs, newId }: Deciding,
): ChangeRecord {
  return {
    changeId: newId('chg'),
    volumeId: volume.volumeId,
    tenantId: volume.tenantId,
    volumeName: volume.name,
    ...what,
    plan: boundPlan(what.plan, what, volume),
    state: 'preparing',
    steps: [],
    progress: null,
    waitingFor: null,
    waitingSinceMs: null,
    overdue: null,
    paused: null,
    cancel: null,
    due: null,
    bytesCopied: 0,
    problem: null,
    outage: null,
    requestedBy: caller.name,
    traceId: traceIdOf(trace),
    trace,
    operationId: null,
    cardSettled: false,
    reverting: false,
    endsAs: 'undone',
    told: null,
    next: null,
    createdAtMs: nowMs,
    appliedAtMs: null,
    settledAtMs: null,
  };
}

/** What a card did by itself to serve a volume again, as a change that is over. In the trace of the change before it. */
export function healOf(
  volume: VolumeRecord,
  outage: Outage,
  { trace }: ChangeRecord,
  deciding: Deciding,
): ChangeRecord {
  const { appliedGeneration: generation, cardId } = volume;
  const range = { fromGeneration: generation, toGeneration: Math.max(1, generation) };
  const asking = { caller: { name: `card ${cardId}` }, trace };
  const heal = newChange(
    volume,
    { kind: 'heal', differences: [], ...range, plan: emptyPlan, from: null },
    asking,
    deciding,
  );
  return { ...heal, state: 'settled', outage, appliedAtMs: deciding.nowMs, settledAtMs: deciding.nowMs };
}

/** Legs of a new stack. Their ids follow from volume and generation: a dry run names the same ones. */
export function newLegs(
  volume: Pick<VolumeRecord, 'volumeId'>,
  stackGeneration: number,
  pools: readonly ChosenPool[],
  made: { sizeBytes: number; holder: LegRecord['holder'] },
): LegRecord[] {
  return pools.map(({ poolId, addressKind }, position) => ({
    legId: derivedId('leg', volume.volumeId, stackGeneration, position),
    volumeId: volume.volumeId,
    // Named when the change is; a dry run has none.
    changeId: '',
    poolId,
    position,
    stackGeneration,
    sizeBytes: made.sizeBytes,
    epoch: 1,
    holder: made.holder,
    state: 'creating',
    role: 'preparing',
    operationId: '',
    awaited: true,
    heldByCard: false,
    addressKind,
    address: null,
    access: null,
  }));
}

/** W3C: version, 32 hex digits of trace id, span id, flags. */
function traceIdOf(trace: Record<string, string>): string | null {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(trace['traceparent'] ?? '')?.[1] ?? null;
}
