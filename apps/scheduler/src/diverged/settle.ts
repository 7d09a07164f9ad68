import type { DesiredVolume } from '@flexbso/contracts';
import { type ChangeRecord, cutShort } from '../changes/change-record.js';
import type { Aggregate, Deciding, Draft } from '../changes/draft.js';
import { advance, announce, announceVolume, moveTo } from '../changes/saga.js';
import { isFinal } from '../changes/transitions.js';
import { givePool, takeFromCard } from '../desired/desired-items.js';
import { keptOf } from '../desired/kept-snapshots.js';
import type { LegRecord } from '../legs/leg-record.js';
import {
  cardReservation,
  exactReservations,
  formerReservationId,
  formerReservations,
  legReservations,
} from '../placement/volume-reservations.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import { emptyPlan, newChange } from '../volumes/proposal.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { FoundLeg } from './found-snapshots.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';
import {
  forgotten,
  formerCardsOf,
  goneVolume,
  keysOf,
  leftover,
  legOf,
  type Settling,
  type TakeOver,
  volumeOf,
} from './settled-records.js';

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
  const carrying = found.legs.map(({ onCard, onPool, ...at }): LegRecord => ({
    ...legOf(onPool, at),
    role: at.stackGeneration === stackGeneration ? 'current' : 'frozen',
    heldByCard: true,
    addressKind: onCard.address.kind,
    address: onCard.address,
    access: onCard.access,
  }));
  const legs = [...carrying, ...found.frozen.map((leg) => frozenLeg(present, leg, change, settling))];
  const left = found.leftovers.map((one) => leftover(present, one));
  const reservations = [
    ...exactReservations(volume, legs),
    ...legReservations(volumeId, volume.want, left),
    ...formerReservations(volume, present?.reservations ?? []),
    ...fencedReservations(volume, found.fenced),
  ];
  const draft: Draft = {
    volume,
    change,
    legs: [...legs, ...left],
    keys: keysOf(present, volumeId, found),
    reservations,
    given: found.given,
    desired: forgotten(present, volume, [...legs, ...left]),
    events: [],
    healed: [],
    superseded: [],
    queued: null,
    volumeGone: false,
  };
  announce(draft, 'planned', { steps: 0, differences: [] });
  const { revision, kept: _, ...asGiven } = found.given;
  const item = { ...asGiven, ...keptOf(draft) };
  draft.given = { ...item, revision };
  draft.desired.push({ kind: 'put', role: 'card', agentId: found.cardId, item });
  for (const leg of draft.legs) givePool(draft, leg);
  takeFromFenced(draft, found.fenced);
  return draft;
}

/** What a card that is shut out holds until it has reported that it closed what it has. */
export function fencedReservations(
  { volumeId, want }: Pick<VolumeRecord, 'volumeId' | 'want'>,
  fenced: readonly FencedPart[],
): ReservationRecord[] {
  return fenced.map(({ cardId, given }) => ({
    ...cardReservation({ volumeId, cardId, functionId: given.export.functionId }, want),
    reservationId: formerReservationId(volumeId, cardId),
  }));
}

export function takeFromFenced(draft: Draft, fenced: readonly FencedPart[]): void {
  for (const { cardId, given } of fenced) {
    const former = draft.volume.formerCards.findLast((one) => one.cardId === cardId);
    if (former) takeFromCard(draft, given, former);
  }
}

/** Where it is served is as the books have it, or else asked of its pool: who clones the snapshot has to be told. */
export function frozenLeg(
  present: Aggregate | null,
  leg: FoundLeg,
  { changeId }: ChangeRecord,
  { deciding, addressKindOf }: Settling,
): LegRecord {
  const record: LegRecord = { ...legOf(leg, leg), role: 'frozen' };
  const known = present?.legs.find(({ legId }) => legId === leg.given.legId);
  const addressKind = known?.addressKind ?? addressKindOf(leg.poolId);
  if (!known?.address || known.epoch !== record.epoch)
    return { ...record, addressKind, changeId, operationId: deciding.newId('op'), awaited: true };
  return { ...record, addressKind, address: known.address, access: known.access };
}

/** What is left of a volume of which nothing runs goes, and then the volume. */
export function letGo(
  present: Aggregate | null,
  volumeId: string,
  { leftovers, fenced = [] }: { readonly leftovers: readonly HeldLeg[]; readonly fenced?: readonly FencedPart[] },
  settling: Settling,
): Draft {
  const { asking, deciding } = settling;
  const volume = present ? { ...present.volume } : goneVolume(volumeId, leftovers, fenced, settling);
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
    formerCards: formerCardsOf(present, fenced, deciding),
  });
  const change = begun(newChange(volume, about, asking, deciding), deciding);
  volume.changeId = change.changeId;
  const legs = leftovers.map((one) => leftover(present, one));
  const desired = forgotten(present, null, legs);
  volume.cardOperationId = null;
  const reservations = [
    ...legReservations(volumeId, volume.want, legs),
    ...formerReservations(volume, present?.reservations ?? []),
    ...fencedReservations(volume, fenced),
  ];
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
    healed: [],
    superseded: [],
    queued: null,
    volumeGone: false,
  };
  announce(draft, 'planned', { steps: 0, differences: [] });
  takeFromFenced(draft, fenced);
  moveTo(draft, 'retiring');
  advance(draft, deciding);
  return draft;
}

/**
 * A change that was under way in the copy is over: carried out, where that is what the card was given last, or else not.
 * @returns null when none was under way
 */
export function superseded(
  present: Aggregate | null,
  isDone: (change: ChangeRecord) => boolean,
  nowMs: number,
): ChangeRecord | null {
  if (present === null || isFinal(present.change.state)) return null;
  const { change } = present;
  const over = cutShort(change, nowMs);
  if (isDone(change)) return { ...over, state: 'settled', appliedAtMs: change.appliedAtMs ?? nowMs, problem: null };
  const detail = 'the database was restored to a copy from the middle of this change, and it is not what runs';
  return { ...over, state: 'undone', problem: { code: 'diverged', detail } };
}

/** Whether a change is what the card was given last. */
export const isCarriedOut = (given: DesiredVolume) => (change: ChangeRecord) =>
  given.changeId === change.changeId && given.origin === 'person';

/** Whether a change ends in what was found where no card has the volume. */
export const endsAs =
  (found: Exclude<Verdict, { kind: 'take-over' | 'refused' }>) =>
  ({ kind }: ChangeRecord): boolean => {
    if (found.kind === 'keep-lost') return false;
    if (found.kind !== 'keep-detached') return kind === 'delete';
    return kind === 'detach' || (kind === 'rollback' && found.isAsWanted);
  };

/** No card has anything to do for it. */
export function begun(change: ChangeRecord, { nowMs }: Deciding): ChangeRecord {
  return { ...change, appliedAtMs: nowMs, cardSettled: true };
}
