import type { Aggregate, Draft } from '../changes/draft.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import type { Verdict } from './judge.js';
import { adoptedOnNoCard } from './keep-detached.js';
import { frozenLeg } from './settle.js';
import { formerCardsOf, goneVolume, legOf, recordsOf, type Settling } from './settled-records.js';

type KeepLost = Extract<Verdict, { kind: 'keep-lost' }>;

/**
 * The books keep a detached volume of which nobody knows how its stack is built, for its snapshots' sake: it is rolled
 * back to one of them, or deleted.
 */
export function keepLost(present: Aggregate | null, volumeId: string, found: KeepLost, settling: Settling): Draft {
  const volume = lostVolume(present, volumeId, found, settling);
  const refs = new Set(volume.snapshots.flatMap((one) => [one, ...one.bases].map(({ keyRef }) => keyRef)));
  const keys = (present?.keys ?? []).filter(({ keyRef }) => refs.has(keyRef));
  const { stackGeneration } = volume.want;
  const carrying = found.carrying.map((one, position) => legOf(one, { stackGeneration, position }));
  const keptIn = (change: Draft['change']): LegRecord[] => [
    ...carrying,
    ...found.found.legs.map((leg) => frozenLeg(present, leg, change, settling)),
  ];
  const { leftovers, fenced } = found;
  return adoptedOnNoCard(present, { volume, keys, leftovers, fenced }, keptIn, settling);
}

function lostVolume(
  present: Aggregate | null,
  volumeId: string,
  { carrying, found, generation, sizeBytes, fenced }: KeepLost,
  settling: Settling,
): VolumeRecord {
  const { deciding, incarnation } = settling;
  const held = [...carrying, ...found.legs];
  const volume = present?.volume ?? goneVolume(volumeId, held, fenced, settling);
  const { bases: _, neverBuilt: _n, ...known } = volume.want;
  const want: VolumeWant = {
    ...known,
    sizeBytes,
    stack: { layers: [] },
    stackGeneration: generation,
    keyRef: null,
    detached: true,
    lost: true,
  };
  return {
    ...volume,
    cardId: held[0]?.given.holder.cardId ?? volume.cardId,
    state: 'changing',
    generation,
    appliedGeneration: generation,
    want,
    snapshots: recordsOf(found, deciding),
    uri: null,
    cardOperationId: null,
    settledIn: incarnation,
    formerCards: formerCardsOf(present, fenced, deciding),
  };
}
