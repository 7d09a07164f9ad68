import type { DesiredLeg, DesiredVolume, InspectAnswer, ObservedLeg, ObservedVolume } from '@flexbso/contracts';
import type { Inspection } from '../check/compare.js';

/** What one card has of a volume: what it was given, and what it observes of it. */
export interface CardPart {
  readonly cardId: string;
  readonly given: DesiredVolume | null;
  readonly observed: ObservedVolume | null;
}

/** What one pool has of a leg. */
export interface LegPart {
  readonly poolId: string;
  readonly legId: string;
  readonly given: DesiredLeg | null;
  readonly observed: ObservedLeg | null;
}

/** What cards and pools together have of one volume. Where nothing is left of it there is no part. */
export interface VolumeParts {
  readonly cards: CardPart[];
  readonly legs: LegPart[];
}

/** An agent that answered. */
export interface Answered {
  readonly role: Inspection['role'];
  readonly id: string;
  readonly answer: InspectAnswer;
  /** It follows another life of the database than the one that asks. */
  readonly isEstranged: boolean;
}

/** What all agents that answered told. */
export interface Reality {
  readonly answered: readonly Answered[];
  /** Why somebody did not, by `role id`. */
  readonly failures: ReadonlyMap<string, string>;
  readonly volumes: ReadonlyMap<string, VolumeParts>;
}

export function realityOf(inspections: readonly Inspection[], incarnation: string): Reality {
  const answered: Answered[] = [];
  const failures = new Map<string, string>();
  for (const { role, id, answer } of inspections) {
    if ('failure' in answer) failures.set(`${role} ${id}`, answer.failure);
    else
      answered.push({
        role,
        id,
        answer,
        isEstranged: answer.incarnation !== null && answer.incarnation !== incarnation,
      });
  }
  const volumes = new Map<string, VolumeParts>();
  const partsOf = (volumeId: string) => {
    const known = volumes.get(volumeId) ?? { cards: [], legs: [] };
    volumes.set(volumeId, known);
    return known;
  };
  for (const { role, id, answer } of answered) {
    if (role === 'card') for (const part of cardParts(id, answer)) partsOf(part.volumeId).cards.push(part);
    else for (const part of legParts(id, answer)) partsOf(part.volumeId).legs.push(part);
  }
  return { answered, failures, volumes };
}

function cardParts(cardId: string, { given, volumes }: InspectAnswer): (CardPart & { volumeId: string })[] {
  const wanted = new Map(given.volumes.map((item) => [item.volumeId, item]));
  const seen = new Map(volumes.map((one) => [one.volumeId, one]));
  return [...new Set([...wanted.keys(), ...seen.keys()])].flatMap((volumeId) => {
    const part = { cardId, volumeId, given: wanted.get(volumeId) ?? null, observed: seen.get(volumeId) ?? null };
    return isGone(part) ? [] : [part];
  });
}

function legParts(poolId: string, { given, legs }: InspectAnswer): (LegPart & { volumeId: string })[] {
  const wanted = new Map(given.legs.map((item) => [item.legId, item]));
  const seen = new Map(legs.map((one) => [one.legId, one]));
  return [...new Set([...wanted.keys(), ...seen.keys()])].flatMap((legId) => {
    const part = { poolId, legId, given: wanted.get(legId) ?? null, observed: seen.get(legId) ?? null };
    const volumeId = part.observed?.volumeId ?? part.given?.volumeId;
    return volumeId === undefined || isGone(part) ? [] : [{ ...part, volumeId }];
  });
}

/** A tombstone that was carried out is kept until a scheduler has heard of it. */
function isGone({ given, observed }: { given: { tombstone: boolean } | null; observed: object | null }): boolean {
  return observed === null && given?.tombstone === true;
}
