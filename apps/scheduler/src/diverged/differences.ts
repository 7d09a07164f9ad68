import type { DesiredVolume } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import type { RecordedVolume } from '../check/compare.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { Answered, CardPart, LegPart, Reality, VolumeParts } from './reality.js';

/** One thing on which the books and an agent that follows another life of them differ. */
export interface Difference {
  readonly role: 'card' | 'pool';
  readonly agentId: string;
  /** The volume's, or the leg's. */
  readonly id: string;
  readonly what: string;
}

/** A volume that differs, with all that is known of it. */
export interface DifferingVolume {
  readonly volumeId: string;
  readonly recorded: RecordedVolume | null;
  readonly parts: VolumeParts;
  readonly differences: readonly Difference[];
}

export const nothing: VolumeParts = { cards: [], legs: [] };

/**
 * Compares the books with what agents of another life were given: by operations, since the same operation is the same
 * order. What the books ordered in this life (`settledIn`) is no difference: the agent has only not heard of it.
 */
export function differingVolumes(
  recorded: readonly RecordedVolume[],
  reality: Reality,
  incarnation: string,
): DifferingVolume[] {
  const books = new Map(recorded.map((one) => [one.volume.volumeId, one]));
  const estranged = reality.answered.filter((one) => one.isEstranged);
  return [...new Set([...books.keys(), ...reality.volumes.keys()])].toSorted().flatMap((volumeId) => {
    const one = books.get(volumeId) ?? null;
    const parts = reality.volumes.get(volumeId) ?? nothing;
    const isOfThisLife = one?.volume.settledIn === incarnation;
    const differences = estranged.flatMap((agent) => agentDifferences(agent, volumeId, one, parts, isOfThisLife));
    return differences.length > 0 ? [{ volumeId, recorded: one, parts, differences }] : [];
  });
}

function agentDifferences(
  { role, id }: Answered,
  volumeId: string,
  recorded: RecordedVolume | null,
  parts: VolumeParts,
  isOfThisLife: boolean,
): Difference[] {
  if (role === 'card') {
    const part = parts.cards.find(({ cardId }) => cardId === id) ?? null;
    const what = cardDifference(id, recorded, part, isOfThisLife);
    return what === null ? [] : [{ role, agentId: id, id: volumeId, what }];
  }
  const booked = new Map(recorded?.legs.filter((leg) => leg.poolId === id).map((leg) => [leg.legId, leg]));
  const there = new Map(parts.legs.filter((leg) => leg.poolId === id).map((leg) => [leg.legId, leg]));
  return [...new Set([...booked.keys(), ...there.keys()])].toSorted().flatMap((legId) => {
    const what = legDifference(booked.get(legId) ?? null, there.get(legId) ?? null, isOfThisLife);
    return what === null ? [] : [{ role, agentId: id, id: legId, what }];
  });
}

function cardDifference(
  cardId: string,
  recorded: RecordedVolume | null,
  part: CardPart | null,
  isOfThisLife: boolean,
): string | null {
  const owner = recorded?.volume.cardId;
  const booked = owner === cardId ? (recorded?.given ?? null) : null;
  if (part === null) {
    if (isOfThisLife) return null;
    if (booked === null) {
      // It may have been made and deleted since, which leaves no trace on a card: going on could bring it back.
      const wasBeingMade = owner === cardId && recorded?.isUnderWay === true;
      return wasBeingMade ? 'its creation was under way in the copy, and nothing of it is here' : null;
    }
    // Until it is let go its function is held, which may be another volume's by now.
    if (booked.tombstone) return 'its deletion was under way in the copy, and nothing of it is here: deleted since';
    return `recorded at generation ${booked.generation}, and nothing of it is here: deleted or detached since`;
  }
  if (recorded === null) return `it runs here${generationText(part)} and is not recorded: created since`;
  if (isLeaving(recorded.volume, part)) return null;
  // It is told to let go of it as soon as it follows.
  if (isOfThisLife && recorded.volume.formerCards.some((former) => former.cardId === cardId)) return null;
  if (owner !== cardId) return `it runs here${generationText(part)} and is recorded on ${owner}`;
  if (booked === null && recorded.volume.want.detached)
    return `it runs here${generationText(part)} and is recorded as detached: attached since`;
  if (booked === null) return `it runs here${generationText(part)}, and its creation was under way in the copy`;
  // Limits that stayed when a change was taken back hold under the order from before it.
  const isAsBooked = part.given?.operationId === booked.operationId && isSameQos(booked, part.given);
  if (isAsBooked || isOfThisLife) return null;
  if (part.given === null) return 'it runs here, and its agent was given nothing of it';
  return `changed since: ${changedText(booked, part.given)}`;
}

/** A card that the volume was failed over from, and that has not yet carried out its tombstone. */
export function isLeaving({ formerCards }: Pick<VolumeRecord, 'formerCards'>, { cardId, given }: CardPart): boolean {
  return formerCards.some((former) => former.cardId === cardId && former.operationId === given?.operationId);
}

const generationText = ({ given }: CardPart) => (given ? ` at generation ${given.generation}` : '');

const legsText = ({ stack }: DesiredVolume) =>
  stack.legs.map(({ legId, poolId }) => `${legId} on ${poolId}`).join(', ');
const layersText = ({ stack }: DesiredVolume) => stack.layers.map(({ kind }) => kind).join(', ') || 'plain';

const isSameQos = (booked: DesiredVolume, given: DesiredVolume) => isSame(booked.qos ?? {}, given.qos ?? {});

/** In words of the API, from what is recorded to what the card was given. */
function changedText(booked: DesiredVolume, given: DesiredVolume): string {
  if (given.tombstone) return 'it is being deleted here';
  const texts = [
    text('generation', String(booked.generation), String(given.generation)),
    text('function', booked.export.functionId, given.export.functionId),
    text('size', `${booked.sizeBytes} bytes`, `${given.sizeBytes} bytes`),
    isSameQos(booked, given) ? null : `qos ${JSON.stringify(booked.qos)} recorded, ${JSON.stringify(given.qos)} here`,
    text(
      'stack',
      `${booked.stack.stackGeneration} (${layersText(booked)})`,
      `${given.stack.stackGeneration} (${layersText(given)})`,
    ),
    text('legs', legsText(booked), legsText(given)),
  ].filter((one) => one !== null);
  return (texts.join('; ') || 'another operation brought it to the same').slice(0, 450);
}

const text = (what: string, recorded: string, here: string) =>
  recorded === here ? null : `${what} ${recorded} recorded, ${here} here`;

/** How far a leg has come: what a pool was told of it later is further. */
const rankOf: Record<LegRecord['role'], number> = { preparing: 0, current: 1, frozen: 2, retiring: 2 };

function legDifference(booked: LegRecord | null, part: LegPart | null, isOfThisLife: boolean): string | null {
  if (part === null) {
    const isDone = booked === null || booked.state === 'deleting' || isOfThisLife;
    return isDone ? null : 'recorded, and not here: deleted since';
  }
  if (booked === null) return part.given?.tombstone ? 'not recorded, and being deleted here' : 'here, and not recorded';
  if (isOfThisLife) return null;
  if (part.given?.operationId === booked.operationId) {
    // Of a volume that its card lets go of, this alone says which stack carries it: a pool that came over would be told
    // otherwise. A card that has it now may be about to: an order of the life before may still be on its way.
    const isFurther = rankOf[part.given.role] > rankOf[booked.role];
    return isFurther ? `changed since: ${booked.role} recorded, ${part.given.role} here` : null;
  }
  if (part.given === null) return 'here, and its agent was given nothing of it';
  const texts = [
    text('size', `${booked.sizeBytes} bytes`, `${part.given.sizeBytes} bytes`),
    text('epoch', String(booked.epoch), String(part.given.epoch)),
    text('holder', booked.holder.cardId, part.given.holder.cardId),
    part.given.tombstone ? 'it is being deleted here' : null,
  ].filter((one) => one !== null);
  return `changed since: ${texts.join('; ') || 'another operation brought it to the same'}`;
}

/** Of which agents of another life nothing is left to be settled. */
export function agreedAgents({ answered }: Reality, differing: readonly DifferingVolume[]): Answered[] {
  const names = new Set(
    differing.flatMap(({ differences }) => differences.map(({ role, agentId }) => `${role} ${agentId}`)),
  );
  return answered.filter(({ role, id, isEstranged }) => isEstranged && !names.has(`${role} ${id}`));
}
