import type { DesiredCardLeg, DesiredVolume, ObservedVolume } from '@flexbso/contracts';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import type { LegRecord } from '../legs/leg-record.js';
import type { RecordedVolume } from '../check/compare.js';
import { type DifferingVolume, isLeaving } from './differences.js';
import type { CardPart, LegPart, Reality } from './reality.js';

/** A leg that its pool was given, and has. */
export interface HeldLeg {
  readonly poolId: string;
  readonly given: NonNullable<LegPart['given']>;
}

/** What a card has of a volume that another card took over. */
export interface FencedPart {
  readonly cardId: string;
  readonly given: DesiredVolume;
}

/**
 * How a difference can be settled.
 * - take-over: the volume runs at rest, card and pools agree; `leftovers` are legs that carry nothing.
 * - keep-detached: no card has it, and the pools keep the whole of its recorded stack: it was detached since.
 * - end: no card has it, and pools keep legs that carried it and that the books do not know so: only ever ended by name.
 * - let-go: nothing of it is left but what carries nothing.
 * - refused: `why` says what disagrees, or what is to be waited for.
 */
export type Verdict =
  | {
      readonly kind: 'take-over';
      readonly cardId: string;
      readonly given: DesiredVolume;
      readonly observed: ObservedVolume;
      readonly legs: readonly { readonly onCard: DesiredCardLeg; readonly onPool: HeldLeg }[];
      readonly leftovers: readonly HeldLeg[];
      /** Cards that still have it, and that its pools have shut out since. */
      readonly fenced: readonly FencedPart[];
    }
  | { readonly kind: 'keep-detached'; readonly legs: readonly HeldLeg[]; readonly leftovers: readonly HeldLeg[] }
  | { readonly kind: 'end'; readonly leftovers: readonly HeldLeg[] }
  | { readonly kind: 'let-go'; readonly leftovers: readonly HeldLeg[] }
  | { readonly kind: 'refused'; readonly why: string };

const refused = (why: string): Verdict => ({ kind: 'refused', why });

/** Decides by what card and pools told, which must agree; what is not known is never taken for gone. */
export function judge(
  one: DifferingVolume,
  reality: Reality,
  recorded: readonly RecordedVolume[],
  incarnation: string,
): Verdict {
  const silent = silentOf(one, reality);
  if (silent !== null) return refused(silent);
  if (one.recorded?.isUnderWay && one.recorded.volume.settledIn === incarnation)
    return refused('a change of it that began after the restore is under way: wait until it is over');
  const { recorded: known } = one;
  const here = one.parts.cards.filter((each) => known === null || !isLeaving(known.volume, each));
  const fenced = here.flatMap((each) => fencedPart(each, one.parts.legs));
  const [part, other] =
    here.length === fenced.length ? here : here.filter((each) => !fenced.some(({ cardId }) => cardId === each.cardId));
  if (part && other)
    return refused(`it runs on ${part.cardId} and on ${other.cardId}: end it on one of them by hand first`);
  const carried = new Set(part?.given?.stack.legs.map(({ legId }) => legId));
  const leftovers = heldLegs(one.parts.legs.filter(({ legId }) => !carried.has(legId)));
  if (typeof leftovers === 'string') return refused(leftovers);
  return part ? takeOver(one, part, { leftovers, fenced }, recorded) : withoutCard(one, leftovers);
}

/**
 * Every leg that the card stands on is served at a later epoch, or gone from its pool, which has answered: the volume was
 * failed over, and no write of this card arrives anywhere any more.
 */
function fencedPart({ cardId, given }: CardPart, parts: readonly LegPart[]): FencedPart[] {
  const legs = given?.stack.legs ?? [];
  const isFenced = legs.every(({ legId, poolId, epoch }) => {
    const observed = parts.find((part) => part.legId === legId && part.poolId === poolId)?.observed;
    return !observed || observed.epoch > epoch;
  });
  return given !== null && legs.length > 0 && isFenced ? [{ cardId, given }] : [];
}

/** What no card has may be gone, or detached: what its pools keep tells, since a pool is told which legs carry a volume. */
function withoutCard({ recorded, parts }: DifferingVolume, held: readonly HeldLeg[]): Verdict {
  const carrying = held.filter(({ given }) => given.role === 'current' && !given.tombstone);
  if (carrying.length === 0) return { kind: 'let-go', leftovers: held };
  if (recorded === null) return { kind: 'end', leftovers: held };
  const { stackGeneration } = recorded.volume.want;
  const wanted = recorded.legs.filter((leg) => leg.stackGeneration === stackGeneration);
  const legs = carrying.filter((one) => wanted.some((leg) => isSameLeg(leg, one, parts.legs)));
  const isWhole = wanted.length > 0 && legs.length === wanted.length && carrying.length === legs.length;
  if (!isWhole) return { kind: 'end', leftovers: held };
  return { kind: 'keep-detached', legs, leftovers: held.filter((one) => !legs.includes(one)) };
}

/** At the size that is recorded, and as its pool was told last. */
function isSameLeg(leg: LegRecord, { poolId, given }: HeldLeg, parts: readonly LegPart[]): boolean {
  const observed = parts.find((part) => part.legId === leg.legId && part.poolId === poolId)?.observed;
  return (
    leg.legId === given.legId &&
    leg.poolId === poolId &&
    leg.sizeBytes === given.sizeBytes &&
    observed?.sizeBytes === given.sizeBytes &&
    observed.epoch === given.epoch
  );
}

/** Whoever may have something of the volume has to have answered. */
function silentOf({ recorded, parts }: DifferingVolume, { failures, answered }: Reality): string | null {
  const cards = [recorded?.volume.cardId, ...parts.legs.map(({ given }) => given?.holder.cardId)];
  const pools = [
    ...(recorded?.legs.map(({ poolId }) => poolId) ?? []),
    ...parts.cards.flatMap(({ given }) => given?.stack.legs.map(({ poolId }) => poolId) ?? []),
  ];
  const names = [
    ...cards.filter((id) => id !== undefined).map((id) => `card ${id}`),
    ...pools.map((id) => `pool ${id}`),
  ];
  const known = new Set(answered.map(({ role, id }) => `${role} ${id}`));
  const missing = names.find((name) => !known.has(name));
  return missing === undefined
    ? null
    : `${missing} did not answer (${failures.get(missing) ?? 'it is not known'}), and may have something of it`;
}

function heldLegs(parts: readonly LegPart[]): HeldLeg[] | string {
  const held: HeldLeg[] = [];
  for (const { poolId, legId, given } of parts) {
    if (given === null) return `pool ${poolId} has ${legId} and was given nothing of it: nobody can say whose it is`;
    held.push({ poolId, given });
  }
  return held;
}

function takeOver(
  { volumeId, parts }: DifferingVolume,
  { cardId, given, observed }: CardPart,
  { leftovers, fenced }: Pick<Extract<Verdict, { kind: 'take-over' }>, 'leftovers' | 'fenced'>,
  recorded: readonly RecordedVolume[],
): Verdict {
  if (given === null) return refused(`it runs on ${cardId}, whose agent was given nothing of it`);
  if (given.tombstone) return refused(`${cardId} is deleting it: wait until it is gone`);
  if (observed === null || !isSettled(observed, plannedVolumeOf(given)))
    return refused(`${cardId} has not finished ${given.operationId}, or is making it good: wait until it is at rest`);
  const holder = recorded.find((one) => one.volume.volumeId !== volumeId && holdsFunction(one, cardId, given));
  if (holder)
    return refused(
      `the books hold ${given.export.functionId} of ${cardId} for ${holder.volume.name} (${holder.volume.volumeId}): settle that first`,
    );
  const legs: { onCard: DesiredCardLeg; onPool: HeldLeg }[] = [];
  for (const onCard of given.stack.legs) {
    const onPool = legOnPool(onCard, cardId, parts.legs);
    if (typeof onPool === 'string') return refused(onPool);
    legs.push({ onCard, onPool });
  }
  const others = fenced.filter((one) => one.cardId !== cardId);
  return { kind: 'take-over', cardId, given, observed, legs, leftovers, fenced: others };
}

/** By its reservation: a volume whose creation was undone still names the function that it was to have. */
function holdsFunction({ reservations }: RecordedVolume, cardId: string, { export: shown }: DesiredVolume): boolean {
  return reservations.some(
    ({ ownerRole, ownerId, functionId }) =>
      ownerRole === 'card' && ownerId === cardId && functionId === shown.functionId,
  );
}

/** The leg as its pool has it, where that is what the card stands on; else what disagrees. */
function legOnPool(leg: DesiredCardLeg, cardId: string, parts: readonly LegPart[]): HeldLeg | string {
  const { legId, poolId, epoch, sizeBytes } = leg;
  const part = parts.find((one) => one.legId === legId && one.poolId === poolId);
  if (!part?.observed || part.given === null)
    return `${cardId} stands on ${legId} of ${poolId}, which does not have it`;
  const { given, observed } = part;
  if (given.tombstone) return `${poolId} is to delete ${legId}, on which ${cardId} stands`;
  if (observed.epoch !== epoch || given.epoch !== epoch)
    return `${cardId} holds ${legId} at epoch ${epoch}, and ${poolId} has it at ${observed.epoch}`;
  // A growth in place that stopped half-way has made the leg larger: what the card holds of it is complete.
  if (observed.sizeBytes < sizeBytes || given.sizeBytes < sizeBytes)
    return `${cardId} holds ${sizeBytes} bytes of ${legId}, and ${poolId} has ${observed.sizeBytes}`;
  if (observed.holderCardId !== cardId || given.holder.cardId !== cardId)
    return `${legId} is open to ${observed.holderCardId ?? 'nobody'} on ${poolId}, and ${cardId} stands on it`;
  return { poolId, given };
}
