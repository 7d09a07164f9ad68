import type {
  AcceptedPlan,
  DesiredCardLeg,
  DesiredLeg,
  DesiredStack,
  DesiredVolume,
  KeptStack,
} from '@flexbso/contracts';
import { acceptedPlanOf, legCompressionOf } from '@flexbso/stack';
import type { Deciding, Draft } from '../changes/draft.js';
import type { LegRecord } from '../legs/leg-record.js';
import { carriersOf, stacksOf } from '../snapshots/kept-stacks.js';
import type { BaseLeg, BaseStack } from '../snapshots/snapshot-record.js';
import type { FormerCard } from '../volumes/volume-record.js';
import { keptOf } from './kept-snapshots.js';

/** Gives the card what the volume wants now, under a new operation. All legs of the wanted stack must be ready. */
export function giveCard(
  draft: Draft,
  deciding: Deciding,
  how: { tombstone: boolean; origin: DesiredVolume['origin']; plan: AcceptedPlan },
): void {
  const { volume, change } = draft;
  const operationId = deciding.newId('op');
  change.operationId = operationId;
  change.cardSettled = false;
  volume.cardOperationId = operationId;
  const carriers = carriersOf(volume.want);
  for (const leg of draft.legs) if (carriers.includes(leg.stackGeneration)) leg.heldByCard = true;
  const [stack, ...bases] = stacksOf(volume.want).map((one) => desiredStack(draft, one));
  if (!stack) throw new Error(`volume ${volume.volumeId} has no stack`);
  const item: Omit<DesiredVolume, 'revision'> = {
    volumeId: volume.volumeId,
    generation: volume.generation,
    operationId,
    changeId: change.changeId,
    origin: how.origin,
    tombstone: how.tombstone,
    sizeBytes: volume.want.sizeBytes,
    qos: volume.want.qos,
    export: { protocol: volume.protocol, functionId: volume.functionId },
    stack,
    ...(bases.length === 0 ? {} : { bases }),
    ...(how.tombstone ? {} : keptOf(draft)),
    ...(isCarried(draft) && !how.tombstone ? { carriedStackGeneration: volume.want.stackGeneration } : {}),
    copyBytesPerSecond: deciding.copyBytesPerSecond,
    plan: how.plan,
    trace: change.trace,
  };
  draft.given = { ...item, revision: 1 };
  draft.desired.push({ kind: 'put', role: 'card', agentId: volume.cardId, item });
}

/** Whether the wanted stack is one that carried the guest before this change. */
function isCarried({ volume, change }: Draft): boolean {
  return change.from?.stackGeneration === volume.want.stackGeneration && !volume.want.neverBuilt;
}

/** Tells a card that the volume is another's now: it ends what it has of it, and says so. */
export function takeFromCard(
  draft: Draft,
  given: DesiredVolume,
  { cardId, operationId }: Pick<FormerCard, 'cardId' | 'operationId'>,
): void {
  const { volume, change } = draft;
  const { revision: _, carriedStackGeneration: _c, kept: _k, cancelled: _x, paused: _p, amends: _a, ...item } = given;
  draft.desired.push({
    kind: 'put',
    role: 'card',
    agentId: cardId,
    item: {
      ...item,
      generation: volume.generation,
      operationId,
      changeId: change.changeId,
      // Nobody accepts a plan for a card that is away; it may destroy nothing.
      origin: 'healing',
      plan: acceptedPlanOf([]),
      tombstone: true,
      movedTo: volume.cardId,
      trace: change.trace,
    },
  });
}

function desiredStack(draft: Draft, base: BaseStack): DesiredStack {
  const { stackGeneration, stack, keyRef, origin } = base;
  const legs = (base.legs ?? draft.legs)
    .filter((leg) => leg.stackGeneration === stackGeneration)
    .toSorted((left, right) => left.position - right.position);
  return {
    stackGeneration,
    layers: stack.layers,
    encryptionKey: sealedKeyOf(draft, keyRef),
    legs: legs.map(cardLegOf),
    ...(origin === undefined ? {} : { shared: true, origin }),
  };
}

function sealedKeyOf({ volume, keys }: Draft, keyRef: string | null): DesiredStack['encryptionKey'] {
  if (keyRef === null) return null;
  const key = keys.find((one) => one.keyRef === keyRef);
  if (!key) throw new Error(`volume ${volume.volumeId} wants ${keyRef}, which the database does not have`);
  return { keyRef, sealedKey: key.sealed };
}

function cardLegOf({ legId, poolId, epoch, sizeBytes, address, access }: BaseLeg): DesiredCardLeg {
  if (address === null)
    throw new Error(`leg ${legId} has no address yet: a card is given only what its pool reported as ready`);
  return { legId, poolId, epoch, sizeBytes, address, access };
}

/** The card learns something else about the stacks that it has, or that snapshots keep, under the operation that it has. */
export function retellCard(
  draft: Draft,
  stackNow: (stack: DesiredStack) => DesiredStack,
  keptNow: (stack: KeptStack) => KeptStack = (stack) => stack,
): void {
  const { given } = draft;
  if (given === null) return;
  const bases = given.bases?.map(stackNow);
  const kept = given.kept && { ...given.kept, stacks: given.kept.stacks.map(keptNow) };
  tellAgain(draft, {
    ...given,
    stack: stackNow(given.stack),
    ...(bases === undefined ? {} : { bases }),
    ...(kept === undefined ? {} : { kept }),
  });
}

/** The card learns that the operation that it has is to be taken back, as far as it still can be. */
export function cancelOnCard(draft: Draft): void {
  if (draft.given !== null) tellAgain(draft, { ...draft.given, cancelled: true });
}

/** The card learns that the operation that it has is to go on, and to end, under the limits that are wanted now. */
export function amendOnCard(draft: Draft, deciding: Deciding): void {
  const { volume, change, given } = draft;
  if (given === null) return;
  const operationId = deciding.newId('op');
  const amends = given.amends ?? given.operationId;
  change.operationId = operationId;
  change.cardSettled = false;
  volume.cardOperationId = operationId;
  tellAgain(draft, { ...given, operationId, amends, generation: volume.generation, qos: volume.want.qos });
}

/** The card learns whether it is to begin further steps of the operation that it has. */
export function holdOnCard(draft: Draft, isHeld: boolean): void {
  if (draft.given === null || (draft.given.paused ?? false) === isHeld) return;
  const { paused: _, ...given } = draft.given;
  tellAgain(draft, isHeld ? { ...given, paused: true } : given);
}

function tellAgain(draft: Draft, given: DesiredVolume): void {
  draft.given = given;
  const { revision: _, ...item } = given;
  draft.desired.push({ kind: 'put', role: 'card', agentId: draft.volume.cardId, item });
}

/** Tells the pool what a leg is to be now. */
export function givePool(draft: Draft, leg: LegRecord): void {
  const { want } = draft.volume;
  // Of an older stack's legs the pool keeps what it made of them.
  const compression = leg.stackGeneration === want.stackGeneration ? legCompressionOf(want.stack.layers) : null;
  const item: Omit<DesiredLeg, 'revision'> = {
    legId: leg.legId,
    operationId: leg.operationId,
    changeId: leg.changeId,
    volumeId: leg.volumeId,
    sizeBytes: leg.sizeBytes,
    ...(compression === null ? {} : { compression }),
    epoch: leg.epoch,
    holder: leg.holder,
    role: leg.role,
    tombstone: leg.state === 'deleting',
    trace: draft.change.trace,
  };
  draft.desired.push({ kind: 'put', role: 'pool', agentId: leg.poolId, item });
}
