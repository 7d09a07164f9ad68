import type {
  AgentRole,
  CheckDifference,
  DesiredVolume,
  InspectAnswer,
  ObservedLeg,
  ObservedVolume,
} from '@flexbso/contracts';
import { isSame, isSettled, plannedVolumeOf } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import { exactReservations, formerReservations } from '../placement/volume-reservations.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';

/** A volume as it is recorded, with all that belongs to it. */
export interface RecordedVolume {
  readonly volume: VolumeRecord;
  readonly legs: readonly LegRecord[];
  readonly reservations: readonly ReservationRecord[];
  /** What its card was last given; null: nothing. */
  readonly given: DesiredVolume | null;
  /** A change of it is under way, or began while it was looked at: it is known, and not judged. */
  readonly isUnderWay: boolean;
  /** What that change would go back to; null: there is none, or it goes back to nothing. */
  readonly before?: VolumeWant | null;
}

/** What one agent answered, or why it did not. */
export interface Inspection {
  readonly role: AgentRole;
  readonly id: string;
  readonly answer: InspectAnswer | { readonly failure: string };
}

/** Everything on which records and observations differ; empty is right. */
export function compare(volumes: readonly RecordedVolume[], inspections: readonly Inspection[]): CheckDifference[] {
  return [
    ...volumes.filter((one) => !one.isUnderWay).flatMap(reservationDifferences),
    ...volumes.flatMap(formerCardDifferences),
    ...inspections.flatMap((inspection) => agentDifferences(volumes, inspection)),
  ];
}

function reservationDifferences({ volume, legs, reservations }: RecordedVolume): CheckDifference[] {
  // Of a volume that was never made, what is left of it stays reserved until its pools have said that it is gone.
  if (volume.state === 'failed') return [];
  const right = [...exactReservations(volume, legs), ...formerReservations(volume, reservations)];
  const wanted = new Map(right.map((one) => [one.reservationId, one]));
  const kept = new Map(reservations.map((one) => [one.reservationId, one]));
  return [...new Set([...wanted.keys(), ...kept.keys()])]
    .filter((id) => !isSame(wanted.get(id) ?? null, kept.get(id) ?? null))
    .map((id) => ({
      where: 'scheduler',
      id,
      what: `what is reserved for ${volume.volumeId} is not what it holds: ${wanted.has(id) ? 'another amount, or nothing, is reserved' : 'nothing of it is there'}`,
    }));
}

/** Said whether or not the card answers: its function stays taken until it reports. */
function formerCardDifferences({ volume }: RecordedVolume): CheckDifference[] {
  return volume.formerCards.map(({ cardId, functionId }) => ({
    where: `card ${cardId}`,
    id: volume.volumeId,
    what: `it was failed over to ${volume.cardId}, and this card has not reported yet that it closed what it had; function ${functionId} stays taken until then`,
  }));
}

function agentDifferences(volumes: readonly RecordedVolume[], { role, id, answer }: Inspection): CheckDifference[] {
  const where = `${role} ${id}`;
  if ('failure' in answer)
    return [{ where, id, what: `it did not answer, so nothing there was compared: ${answer.failure}` }];
  const seen = role === 'card' ? answer.volumes.length : answer.legs.length;
  const partly =
    seen < answer.total
      ? [{ where, id, what: `only the first ${seen} of ${answer.total} things there were compared` }]
      : [];
  const isWhole = partly.length === 0;
  const found =
    role === 'card'
      ? cardDifferences(volumes, id, answer.volumes, isWhole)
      : poolDifferences(volumes, id, answer.legs, isWhole);
  return [...partly, ...found.map(([what, about]) => ({ where, id: about, what }))];
}

type Found = readonly [what: string, about: string];

function cardDifferences(
  volumes: readonly RecordedVolume[],
  cardId: string,
  observed: readonly ObservedVolume[],
  isWhole: boolean,
): Found[] {
  const recorded = new Map(volumes.map((one) => [one.volume.volumeId, one]));
  const running = new Map(observed.map((one) => [one.volumeId, one]));
  const strangers = observed.flatMap(({ volumeId }): Found[] => {
    const volume = recorded.get(volumeId)?.volume;
    const owner = volume?.cardId;
    const isDetached = volume?.state === 'detached';
    if (owner === cardId && isDetached) return [['it runs here and is detached', volumeId]];
    if (owner === cardId || volume?.formerCards.some((former) => former.cardId === cardId)) return [];
    return [[owner ? `it runs here and belongs on ${owner}` : 'it runs here and is not recorded', volumeId]];
  });
  const own = volumes.filter(({ volume, isUnderWay }) => volume.cardId === cardId && !isUnderWay);
  const wrong = own.flatMap(({ volume, given }): Found[] => {
    if (given === null || given.tombstone) return [];
    const one = running.get(volume.volumeId);
    if (one === undefined) return isWhole ? [['it does not run', volume.volumeId]] : [];
    return isSettled(one, plannedVolumeOf(given)) ? [] : [[unsettled(one, given), volume.volumeId]];
  });
  return [...strangers, ...wrong];
}

/** The first thing by which what runs is not what was last applied. */
function unsettled({ head, stacks, exports, copy }: ObservedVolume, wanted: DesiredVolume): string {
  const { stackGeneration } = wanted.stack;
  if (head === null) return 'it has no head: nothing carries the guest';
  if (head.stackGeneration !== stackGeneration)
    return `stack ${head.stackGeneration} carries the guest, and stack ${stackGeneration} is recorded`;
  if (stacks.some((one) => one.windowBytes !== undefined))
    return 'its stack is shown through a window: it has not finished growing';
  if (head.sizeBytes !== wanted.sizeBytes)
    return `it has ${head.sizeBytes} bytes, and ${wanted.sizeBytes} are recorded`;
  if (head.widened) return 'its limits are still widened for a copy';
  if (!isSame(head.qos ?? {}, wanted.qos ?? {})) return 'its limits are not the recorded ones';
  if (stacks.length > 1) return `stacks ${stacks.map((one) => one.stackGeneration).join(', ')} are open at once`;
  if (copy !== null && copy.state !== 'done') return `a copy into stack ${copy.toStackGeneration} is ${copy.state}`;
  if (exports.length !== 1) return `it is exported ${exports.length} times`;
  return `its stack ${stackGeneration} is open with other legs, layers or key than recorded`;
}

function poolDifferences(
  volumes: readonly RecordedVolume[],
  poolId: string,
  observed: readonly ObservedLeg[],
  isWhole: boolean,
): Found[] {
  const recorded = new Map(
    volumes.flatMap(({ legs, isUnderWay }) => legs.map((leg) => [leg.legId, { leg, isUnderWay }])),
  );
  const there = new Map(observed.map((one) => [one.legId, one]));
  const underWay = new Set(volumes.filter((one) => one.isUnderWay).map((one) => one.volume.volumeId));
  const strangers = observed.flatMap(({ legId, volumeId }): Found[] => {
    const owner = recorded.get(legId)?.leg.poolId;
    if (owner === poolId || underWay.has(volumeId)) return [];
    return [[owner ? `it is here and belongs on ${owner}` : 'it is here and is not recorded', legId]];
  });
  const wrong = [...recorded.values()].flatMap(({ leg, isUnderWay }): Found[] => {
    if (isUnderWay || leg.poolId !== poolId) return [];
    const one = there.get(leg.legId);
    if (one === undefined) return isWhole ? [['it is not there', leg.legId]] : [];
    const what = legDifference(one, leg);
    return what === null ? [] : [[what, leg.legId]];
  });
  return [...strangers, ...wrong];
}

function legDifference(observed: ObservedLeg, { sizeBytes, epoch, holder }: LegRecord): string | null {
  if (observed.damage !== undefined) return observed.damage;
  if (observed.sizeBytes !== sizeBytes) return `it has ${observed.sizeBytes} bytes, and ${sizeBytes} are recorded`;
  if (observed.epoch !== epoch) return `it is at epoch ${observed.epoch}, and ${epoch} is recorded`;
  if (observed.holderCardId !== holder.cardId)
    return `its holder is ${observed.holderCardId ?? 'nobody'}, and ${holder.cardId} is recorded`;
  return observed.serving === null ? 'it is not served to its holder' : null;
}
