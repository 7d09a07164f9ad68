import type { Change, Volume } from '@flexbso/contracts';
import type { Fleet } from '@flexbso/placement';
import type { ChangeRecord } from '../changes/change-record.js';
import { isFinal } from '../changes/transitions.js';
import { degradedOf } from '../health/degraded.js';
import type { LegRecord } from '../legs/leg-record.js';
import { originOf } from '../snapshots/kept-stacks.js';
import type { VolumeRecord, VolumeState } from './volume-record.js';

/** What else a volume's state depends on, beside its own record. */
export interface Surroundings {
  readonly fleet: Fleet;
  /** Why the volume's card acts on nothing new; null when it agrees. */
  readonly diverged: string | null;
}

/** The volume as the API shows it. */
export function volumeView(record: VolumeRecord, legs: readonly LegRecord[], surroundings: Surroundings): Volume {
  const { want, cardOperationId: _o, lastOutageUntilMs: _l, settledIn: _s, followUp, ...shown } = record;
  return {
    ...shown,
    labels: want.labels,
    sizeBytes: want.sizeBytes,
    stack: want.stack,
    alwaysRedundant: want.alwaysRedundant ?? false,
    keyRef: want.keyRef,
    attached: want.detached !== true,
    qos: want.qos,
    placement: want.placement,
    state: stateOf(record, surroundings),
    degraded: degradedOf(record, legs),
    lost: want.lost ?? false,
    standsOn: originOf({ want, snapshots: [] }) ?? null,
    snapshots: record.snapshots.map(({ snapshotId, name, state }) => ({ snapshotId, name, state })),
    queuedChangeId: followUp?.change.changeId ?? null,
    formerCards: record.formerCards.map(({ cardId, functionId, sinceMs }) => ({ cardId, functionId, sinceMs })),
    legs: legs.map(({ legId, poolId, sizeBytes, epoch, stackGeneration, state, role }) => ({
      legId,
      poolId,
      sizeBytes,
      epoch,
      stackGeneration,
      state,
      current: role === 'current',
    })),
  };
}

function stateOf({ state, cardId }: VolumeRecord, { fleet, diverged }: Surroundings): VolumeState {
  if (state !== 'ready' && state !== 'changing') return state;
  if (fleet.card(cardId)?.snapshot.state === 'unreachable') return 'unreachable';
  return diverged === null ? state : 'diverged';
}

/** The change as the API shows it: what it waits for, with how far it is, or that who it waits for is unreachable. */
export function changeView(record: ChangeRecord, fleet: Fleet): Change {
  const {
    tenantId: _t,
    volumeName: _n,
    trace: _h,
    from: _f,
    operationId: _o,
    cardSettled: _s,
    reverting: _r,
    endsAs: _e,
    told: _l,
    due: _d,
    next: _x,
    ...shown
  } = record;
  const steps = record.steps.toSorted((left, right) => left.index - right.index);
  if (isFinal(record.state)) return { ...shown, steps, waitingFor: null };
  const waits = [waitingText(record, fleet), pausedText(record)].filter((text) => text !== null);
  const waitingFor = waits.length === 0 ? null : waits.join('; ');
  return { ...shown, steps, waitingFor, waitingSinceMs: record.waitingSinceMs ?? pausedSinceMs(record) };
}

function pausedText({ paused }: ChangeRecord): string | null {
  if (paused === null) return null;
  const { cardId, by, sinceMs } = paused;
  const what = cardId === null ? 'the fleet' : `card ${cardId}`;
  return `paused by ${by} since ${new Date(sinceMs).toISOString()} (${what})`;
}

function pausedSinceMs({ paused, createdAtMs }: ChangeRecord): number | null {
  return paused && Math.max(paused.sinceMs, createdAtMs);
}

function waitingText(record: ChangeRecord, fleet: Fleet): string | null {
  const { waitingFor } = record;
  return waitingFor === null ? null : `${waitingFor}${shareText(record)}${unreachableText(waitingFor, fleet)}`;
}

/** How far the copy is, while it is what is waited for. */
function shareText({ progress, steps }: ChangeRecord): string {
  const isCopying = steps.some(({ kind, outcome }) => kind === 'copy' && outcome === 'running');
  if (!isCopying || progress === null || progress.totalBytes === 0) return '';
  return ` ${Math.floor((100 * progress.doneBytes) / progress.totalBytes)} %`;
}

function unreachableText(waitingFor: string, fleet: Fleet): string {
  const [role, id] = waitingFor.replace(':', ' ').split(' ');
  const snapshot =
    role === 'card' ? fleet.card(id ?? '')?.snapshot : role === 'pool' ? fleet.pool(id ?? '')?.snapshot : undefined;
  if (snapshot?.state !== 'unreachable') return '';
  const since =
    snapshot.unreachableSinceMs === null ? '' : ` since ${new Date(snapshot.unreachableSinceMs).toISOString()}`;
  return ` (unreachable${since})`;
}
