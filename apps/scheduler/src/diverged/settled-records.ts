import { desiredStacks } from '@flexbso/stack';
import type { Aggregate, Deciding } from '../changes/draft.js';
import type { DesiredWrite } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { Asking } from '../volumes/proposal.js';
import type { FormerCard, VolumeRecord, VolumeWant } from '../volumes/volume-record.js';
import { adoptedGeneration, type Found } from './found-snapshots.js';
import type { FencedPart, HeldLeg, Verdict } from './judge.js';

export interface Settling {
  readonly asking: Asking;
  readonly deciding: Deciding;
  readonly incarnation: string;
  /** How a pool's legs are reached. */
  readonly addressKindOf: (poolId: string) => LegRecord['addressKind'];
  /** For a volume that the books do not know. */
  readonly owner: { readonly name: string; readonly tenantId: string };
}
export type TakeOver = Extract<Verdict, { kind: 'take-over' }>;

/** What a client wished is nowhere but in the lost database. */
const anywhere: VolumeWant['placement'] = { policy: 'spread', spreadLegsOver: 'rack', spreadRequired: false };

/** The volume as its card was given it; what no agent knows is as the copy has it, or as the operator says. */
export function volumeOf(
  present: Aggregate | null,
  volumeId: string,
  { given, observed, cardId, found, bases, fenced }: TakeOver,
  { owner, incarnation, deciding }: Settling,
): VolumeRecord {
  const generation = adoptedGeneration(given, present?.volume ?? null);
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
      // What is demanded is known to the books alone; no card is told.
      alwaysRedundant: present?.volume.want.alwaysRedundant ?? false,
      qos: given.qos,
      placement: present?.volume.want.placement ?? anywhere,
      stackGeneration: given.stack.stackGeneration,
      keyRef: given.stack.encryptionKey?.keyRef ?? null,
      ...(bases.length === 0 ? {} : { bases: [...bases] }),
    },
    uri: observed.exports[0]?.uri ?? null,
    changeId: null,
    cardOperationId: given.operationId,
    settledIn: incarnation,
    lastOutageUntilMs: present?.volume.lastOutageUntilMs ?? null,
    formerCards: formerCardsOf(present, fenced, deciding),
    legFaults: present?.volume.legFaults ?? [],
    followUp: present?.volume.followUp ?? null,
    snapshots: recordsOf(found, deciding),
    createdAtMs: present?.volume.createdAtMs ?? deciding.nowMs,
  };
}

/** One whose legs are all kept is one: its making has ended since. */
export function recordsOf({ snapshots }: Found, { nowMs }: Pick<Deciding, 'nowMs'>): SnapshotRecord[] {
  return snapshots.map((one) => ({
    ...one,
    state: one.state === 'making' ? 'ready' : one.state,
    createdAtMs: one.createdAtMs ?? nowMs,
  }));
}

/** Those that the books know to leave, and those that were found to be shut out. */
export function formerCardsOf(
  present: Aggregate | null,
  fenced: readonly FencedPart[],
  deciding: Deciding,
): FormerCard[] {
  const known = present?.volume.formerCards ?? [];
  return [
    ...known.filter((one) => !fenced.some((other) => other.cardId === one.cardId)),
    ...fenced.map((one) => formerCard(one, deciding)),
  ];
}

const formerCard = ({ cardId, given }: FencedPart, { nowMs, newId }: Deciding): FormerCard => ({
  cardId,
  functionId: given.export.functionId,
  operationId: newId('op'),
  sinceMs: nowMs,
});

/** Of a volume that the books never had and of which only legs, or what a card cannot use, are left: as much as takes these away. */
export function goneVolume(
  volumeId: string,
  leftovers: readonly HeldLeg[],
  fenced: readonly FencedPart[],
  { owner, deciding }: Settling,
): VolumeRecord {
  const holders = leftovers.map(({ given }) => ({ cardId: given.holder.cardId, sizeBytes: given.sizeBytes }));
  const cards = fenced.map(({ cardId, given }) => ({ cardId, sizeBytes: given.sizeBytes }));
  const [first] = [...holders, ...cards];
  if (!first) throw new Error(`nothing is left of ${volumeId}`);
  const { cardId, sizeBytes } = first;
  const want = { labels: {}, sizeBytes, stack: { layers: [] }, qos: null, placement: anywhere, keyRef: null };
  return {
    volumeId,
    ...owner,
    protocol: 'nbd',
    cardId,
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
    lastOutageUntilMs: null,
    formerCards: [],
    followUp: null,
    legFaults: [],
    snapshots: [],
    createdAtMs: deciding.nowMs,
  };
}

export function legOf(
  { poolId, given }: HeldLeg,
  { stackGeneration, position }: Pick<LegRecord, 'stackGeneration' | 'position'>,
): LegRecord {
  const { legId, volumeId, changeId, sizeBytes, epoch, holder, operationId } = given;
  return {
    legId,
    volumeId,
    changeId,
    poolId,
    stackGeneration,
    position,
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
export function leftover(present: Aggregate | null, one: HeldLeg): LegRecord {
  const known = present?.legs.find(({ legId }) => legId === one.given.legId);
  const leg = legOf(one, { stackGeneration: 0, position: known?.position ?? 0 });
  return { ...leg, state: 'retiring', role: 'retiring' };
}

/** Each key as the books have it; else as the card has it, which alone can open it. */
export function keysOf(present: Aggregate | null, volumeId: string, { given, legs, found }: TakeOver): KeyRecord[] {
  const sealedTo = legs[0]?.onPool.given.holder.sealingKey ?? '';
  const carriers = desiredStacks(given);
  const refs = new Set([
    ...carriers.map(({ encryptionKey }) => encryptionKey?.keyRef),
    ...found.snapshots.flatMap((one) => [one, ...one.bases].map(({ keyRef }) => keyRef)),
  ]);
  const onCard = [...carriers, ...(given.kept?.stacks ?? [])].flatMap(
    ({ encryptionKey, stackGeneration }): KeyRecord[] => {
      if (encryptionKey === null) return [];
      const { keyRef, sealedKey } = encryptionKey;
      return [{ keyRef, volumeId, stackGeneration, wrapped: null, sealed: sealedKey, sealedTo }];
    },
  );
  const known = present?.keys ?? [];
  const others = onCard.filter(({ keyRef }) => !known.some((key) => key.keyRef === keyRef));
  return [...known, ...others].filter(({ keyRef }) => refs.has(keyRef));
}

/** What agents were to do of it by the books, and is not so: said to nobody any more. */
export function forgotten(
  present: Aggregate | null,
  now: VolumeRecord | null,
  legs: readonly LegRecord[],
): DesiredWrite[] {
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
