import type { DesiredVolume } from '@flexbso/contracts';
import type { ChangeRecord } from '../changes/change-record.js';
import type { Aggregate, Deciding, Draft } from '../changes/draft.js';
import { advance, announce, announceVolume, moveTo } from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import type { DesiredWrite } from '../desired/desired-entry.js';
import { givePool } from '../desired/desired-items.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import { exactReservations, legReservations } from '../placement/volume-reservations.js';
import { type Asking, emptyPlan, newChange } from '../volumes/proposal.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import type { HeldLeg, Verdict } from './judge.js';

export interface Settling {
  readonly asking: Asking;
  readonly deciding: Deciding;
  readonly incarnation: string;
  /** For a volume that the books do not know. */
  readonly owner: { readonly name: string; readonly tenantId: string };
}
type TakeOver = Extract<Verdict, { kind: 'take-over' }>;

const anywhere: VolumeWant['placement'] = { policy: 'spread', spreadLegsOver: 'rack', spreadRequired: false };

/**
 * The books take over what runs, under the very operations that card and pools carry out: these find nothing to do.
 * Legs that carry nothing are then deleted by their pools, as those of an older generation are.
 */
export function takeOver(present: Aggregate | null, volumeId: string, found: TakeOver, settling: Settling): Draft {
  const draft = takenOver(present, volumeId, found, settling);
  moveTo(draft, 'retiring');
  announceVolume(draft, 'adopted');
  advance(draft, settling.deciding);
  return draft;
}

/** What runs, as books of it that are settled: for a volume that is to be deleted next. */
export function takeOverToDelete(volumeId: string, found: TakeOver, settling: Settling): Draft {
  const draft = takenOver(null, volumeId, found, settling);
  moveTo(draft, 'retiring');
  moveTo(draft, 'settled');
  draft.change.settledAtMs = settling.deciding.nowMs;
  draft.volume.state = 'ready';
  announceVolume(draft, 'adopted');
  return draft;
}

function takenOver(present: Aggregate | null, volumeId: string, found: TakeOver, settling: Settling): Draft {
  const { deciding, asking } = settling;
  const volume = volumeOf(present, volumeId, found, settling);
  const about = {
    kind: 'adopt' as const,
    differences: [],
    fromGeneration: present?.volume.generation ?? 0,
    toGeneration: volume.generation,
    plan: emptyPlan,
    from: present?.volume.want ?? null,
  };
  const change = begun(newChange(volume, about, asking, deciding), deciding);
  volume.changeId = change.changeId;
  const { stackGeneration } = volume.want;
  const legs = found.legs.map(({ onCard, onPool }, position): LegRecord => ({
    ...legOf(onPool, { stackGeneration, position }),
    heldByCard: true,
    addressKind: onCard.address.kind,
    address: onCard.address,
    access: onCard.access,
  }));
  const left = found.leftovers.map((one) => leftover(present, one));
  const reservations = [...exactReservations(volume, legs), ...legReservations(volumeId, volume.want, left)];
  const draft: Draft = {
    volume,
    change,
    legs: [...legs, ...left],
    keys: keysOf(present, volumeId, found),
    reservations,
    given: found.given,
    desired: forgotten(present, volume, [...legs, ...left]),
    events: [],
    volumeGone: false,
  };
  announce(draft, 'planned', { steps: 0, differences: [] });
  const { revision: _, ...item } = found.given;
  draft.desired.push({ kind: 'put', role: 'card', agentId: found.cardId, item });
  for (const leg of draft.legs) givePool(draft, leg);
  return draft;
}

/** What is left of a volume of which nothing runs goes, and then the volume. */
export function letGo(
  present: Aggregate | null,
  volumeId: string,
  leftovers: readonly HeldLeg[],
  settling: Settling,
): Draft {
  const { asking, deciding } = settling;
  const volume = present ? { ...present.volume } : goneVolume(volumeId, leftovers, settling);
  const about = {
    kind: 'delete' as const,
    differences: [],
    fromGeneration: volume.generation,
    toGeneration: volume.generation + 1,
    plan: emptyPlan,
    from: volume.want,
  };
  Object.assign(volume, {
    generation: about.toGeneration,
    state: 'deleting',
    settledIn: settling.incarnation,
    uri: null,
  });
  const change = begun(newChange(volume, about, asking, deciding), deciding);
  volume.changeId = change.changeId;
  const legs = leftovers.map((one) => leftover(present, one));
  const desired = forgotten(present, null, legs);
  volume.cardOperationId = null;
  const reservations = legReservations(volumeId, volume.want, legs);
  const keys = present?.keys ?? [];
  const draft: Draft = {
    volume,
    change,
    legs,
    keys,
    reservations,
    given: null,
    desired,
    events: [],
    volumeGone: false,
  };
  announce(draft, 'planned', { steps: 0, differences: [] });
  moveTo(draft, 'retiring');
  advance(draft, deciding);
  return draft;
}

/**
 * A change that was under way in the copy is over: carried out, where that is what the card was given last, or else not.
 * @param given what the card makes true; null: nothing of the volume runs
 * @returns null when none was under way
 */
export function superseded(present: Aggregate | null, given: DesiredVolume | null, nowMs: number): ChangeRecord | null {
  if (present === null || isFinal(present.change.state)) return null;
  const { change } = present;
  const isDone =
    given === null ? change.kind === 'delete' : given.changeId === change.changeId && given.origin === 'person';
  const over = { ...change, settledAtMs: nowMs, waitingFor: null, waitingSinceMs: null, progress: null };
  if (isDone) return { ...over, state: 'settled', appliedAtMs: change.appliedAtMs ?? nowMs, problem: null };
  const detail = 'the database was restored to a copy from the middle of this change, and it is not what runs';
  return { ...over, state: 'undone', problem: { code: 'diverged', detail } };
}

/** No card has anything to do for it. */
function begun(change: ChangeRecord, { nowMs }: Deciding): ChangeRecord {
  return { ...change, appliedAtMs: nowMs, cardSettled: true };
}

function volumeOf(
  present: Aggregate | null,
  volumeId: string,
  { given, observed, cardId }: TakeOver,
  { owner, incarnation, deciding }: Settling,
): VolumeRecord {
  const generation = Math.max(given.generation, present?.volume.generation ?? 0) + 1;
  const { tenantId, name } = present?.volume ?? owner;
  return {
    volumeId,
    tenantId,
    name,
    protocol: given.export.protocol,
    cardId,
    functionId: given.export.functionId,
    state: 'changing',
    generation,
    appliedGeneration: generation,
    settledGeneration: present?.volume.settledGeneration ?? 0,
    want: {
      labels: present?.volume.want.labels ?? {},
      sizeBytes: given.sizeBytes,
      stack: { layers: given.stack.layers },
      qos: given.qos,
      placement: present?.volume.want.placement ?? anywhere,
      stackGeneration: given.stack.stackGeneration,
      keyRef: given.stack.encryptionKey?.keyRef ?? null,
    },
    uri: observed.exports[0]?.uri ?? null,
    changeId: null,
    cardOperationId: given.operationId,
    settledIn: incarnation,
    createdAtMs: present?.volume.createdAtMs ?? deciding.nowMs,
  };
}

/** Of a volume that the books never had and of which only legs are left: as much as takes these away. */
function goneVolume(volumeId: string, leftovers: readonly HeldLeg[], { owner, deciding }: Settling): VolumeRecord {
  const [first] = leftovers;
  if (!first) throw new Error(`nothing is left of ${volumeId}`);
  const { holder, sizeBytes } = first.given;
  const want = { labels: {}, sizeBytes, stack: { layers: [] }, qos: null, placement: anywhere, keyRef: null };
  return {
    volumeId,
    ...owner,
    protocol: 'nbd',
    cardId: holder.cardId,
    functionId: 'none',
    state: 'deleting',
    generation: 1,
    appliedGeneration: 0,
    settledGeneration: 0,
    want: { ...want, stackGeneration: 1 },
    uri: null,
    changeId: null,
    cardOperationId: null,
    settledIn: null,
    createdAtMs: deciding.nowMs,
  };
}

function legOf({ poolId, given }: HeldLeg, at: Pick<LegRecord, 'stackGeneration' | 'position'>): LegRecord {
  const { legId, volumeId, changeId, sizeBytes, epoch, holder, operationId } = given;
  return {
    legId,
    volumeId,
    changeId,
    poolId,
    ...at,
    sizeBytes,
    epoch,
    holder,
    operationId,
    state: 'ready',
    role: 'current',
    awaited: false,
    heldByCard: false,
    addressKind: 'nbd',
    address: null,
    access: null,
  };
}

/** A stack of generation 0 never was: such a leg is never taken for one of the stack that stays. */
function leftover(present: Aggregate | null, one: HeldLeg): LegRecord {
  const known = present?.legs.find(({ legId }) => legId === one.given.legId);
  const leg = legOf(one, { stackGeneration: 0, position: known?.position ?? 0 });
  return { ...leg, state: 'retiring', role: 'retiring' };
}

/** The key as the books have it; else as the card has it, which alone can open it. */
function keysOf(present: Aggregate | null, volumeId: string, { given, legs }: TakeOver): KeyRecord[] {
  const { encryptionKey, stackGeneration } = given.stack;
  if (encryptionKey === null) return [];
  const { keyRef, sealedKey } = encryptionKey;
  const known = present?.keys.find((key) => key.keyRef === keyRef);
  if (known) return [known];
  const sealedTo = legs[0]?.onPool.given.holder.sealingKey ?? '';
  return [{ keyRef, volumeId, stackGeneration, wrapped: null, sealed: sealedKey, sealedTo }];
}

/** What agents were to do of it by the books, and is not so: said to nobody any more. */
function forgotten(present: Aggregate | null, now: VolumeRecord | null, legs: readonly LegRecord[]): DesiredWrite[] {
  if (present === null) return [];
  const kept = new Set(legs.map(({ legId }) => legId));
  const gone = present.legs.filter(({ legId }) => !kept.has(legId));
  const { volumeId, cardId } = present.volume;
  const writes = gone.map(({ poolId, legId }): DesiredWrite => ({
    kind: 'forget',
    role: 'pool',
    agentId: poolId,
    itemId: legId,
  }));
  return now?.cardId === cardId
    ? writes
    : [...writes, { kind: 'forget', role: 'card', agentId: cardId, itemId: volumeId }];
}
