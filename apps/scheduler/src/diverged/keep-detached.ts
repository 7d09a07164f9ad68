import type { ChangeRecord } from '../changes/change-record.js';
import type { Aggregate, Draft } from '../changes/draft.js';
import { advance, announce, announceVolume, moveTo } from '../changes/saga.js';
import { givePool } from '../desired/desired-items.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import { exactReservations, formerReservations, legReservations } from '../placement/volume-reservations.js';
import { emptyPlan, newChange } from '../volumes/proposal.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';
import { begun, fencedReservations, frozenLeg, takeFromFenced } from './settle.js';
import { forgotten, formerCardsOf, leftover, legOf, recordsOf, type Settling } from './settled-records.js';

type KeepDetached = Extract<Verdict, { kind: 'keep-detached' }>;

/** The books keep the stack that they know as its pools have it, and give it to no card. */
export function keepDetached(present: Aggregate, found: KeepDetached, settling: Settling): Draft {
  const keptIn = (change: ChangeRecord) => [
    ...found.legs.map((one) => keptLeg(present, one)),
    ...found.found.legs.map((one) => frozenLeg(present, one, change, settling)),
  ];
  const volume = detachedVolume(present, found, settling);
  const { leftovers, fenced } = found;
  return adoptedOnNoCard(present, { volume, keys: present.keys, leftovers, fenced }, keptIn, settling);
}

interface OnNoCard {
  readonly volume: VolumeRecord;
  readonly keys: KeyRecord[];
  readonly leftovers: readonly HeldLeg[];
  readonly fenced: readonly FencedPart[];
}

/** No card is given anything of it: its pools are told what stays, and what goes. */
export function adoptedOnNoCard(
  present: Aggregate | null,
  { volume, keys, leftovers, fenced }: OnNoCard,
  keptIn: (change: ChangeRecord) => LegRecord[],
  { deciding, asking }: Settling,
): Draft {
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
  const kept = keptIn(change);
  const left = leftovers.map((one) => leftover(present, one));
  const legs = [...kept, ...left];
  const draft: Draft = {
    volume,
    change,
    legs,
    keys,
    reservations: [
      ...exactReservations(volume, kept),
      ...legReservations(volume.volumeId, volume.want, left),
      ...formerReservations(volume, present?.reservations ?? []),
      ...fencedReservations(volume, fenced),
    ],
    given: null,
    desired: forgotten(present, null, legs),
    events: [],
    healed: [],
    superseded: [],
    queued: null,
    volumeGone: false,
  };
  announce(draft, 'planned', { steps: 0, differences: [] });
  for (const leg of legs) givePool(draft, leg);
  takeFromFenced(draft, fenced);
  moveTo(draft, 'retiring');
  announceVolume(draft, 'adopted');
  advance(draft, deciding);
  return draft;
}

/** It was last on the card that its legs are held by. */
function detachedVolume(
  present: Aggregate,
  { legs: [first], want, found, fenced }: KeepDetached,
  settling: Settling,
): VolumeRecord {
  const { volume } = present;
  const generation = volume.generation + 1;
  return {
    ...volume,
    cardId: first?.given.holder.cardId ?? volume.cardId,
    state: 'changing',
    generation,
    appliedGeneration: generation,
    want: { ...want, detached: true },
    snapshots: recordsOf(found, settling.deciding),
    uri: null,
    cardOperationId: null,
    settledIn: settling.incarnation,
    formerCards: formerCardsOf(present, fenced, settling.deciding),
  };
}

function keptLeg({ legs }: Aggregate, one: HeldLeg): LegRecord {
  const known = legs.find(({ legId }) => legId === one.given.legId);
  if (!known) throw new Error(`${one.given.legId} is kept and not recorded`);
  const leg = legOf(one, known);
  // Served anew since, it is reached as its pool will say.
  const isAsKnown = known.epoch === leg.epoch;
  return {
    ...leg,
    role: one.given.role,
    addressKind: known.addressKind,
    address: isAsKnown ? known.address : null,
    access: isAsKnown ? known.access : null,
  };
}
