import type { Caller, VolumePatch } from '@flexbso/contracts';
import { isSame, legCountOf } from '@flexbso/stack';
import type { ChangeRecord } from '../changes/change-record.js';
import type { VolumeWant } from '../volumes/volume-record.js';

/** What is wanted of a volume as soon as the change that is under way is over. */
export interface FollowUp {
  /** As it is shown until it begins, under the id that it keeps. */
  change: ChangeRecord;
  /** What was asked for itself, by this wish and by queued ones that it took the place of. */
  patch: VolumePatch;
  /** What the change makes different that gave way to it: wanted as well, should that be undone. Left out: none gave way. */
  inherited?: VolumePatch;
  /** A new key is made, whatever key the volume has by then. */
  isRekeyed: boolean;
  caller: Caller;
}

/** What is wanted whatever came before; whether another key is, is told apart. */
type Wish = Pick<FollowUp, 'patch' | 'isRekeyed'>;

/** The wish with that of a queued one whose place it takes. */
export function wishOf(asked: VolumePatch, queued: Wish | null): Wish {
  const { rekey, ...patch } = asked;
  const own = { patch, isRekeyed: rekey !== undefined };
  if (queued === null) return own;
  const isRekeyed = own.isRekeyed || (queued.isRekeyed && !isWithoutKey(asked));
  return { patch: bothOf(queued.patch, own), isRekeyed };
}

/** Two wishes as one: where both name a thing, the newer is right. */
export function bothOf(older: VolumePatch, { patch: newer, isRekeyed }: Wish): VolumePatch {
  const { acknowledgeSnapshots, placement, rekey, ...rest } = older;
  const isAcknowledged = acknowledgeSnapshots && newer.stack === undefined && !isRekeyed;
  const legCount = newer.stack === undefined ? undefined : legCountOf(newer.stack.layers);
  return {
    ...rest,
    // Of pools that were named for more legs than there are to be the first are right.
    ...(placement ? { placement: { poolIds: placement.poolIds.slice(0, legCount) } } : {}),
    ...(rekey && !isWithoutKey(newer) ? { rekey } : {}),
    // Said of what the older one asks for, and of nothing else.
    ...(isAcknowledged ? { acknowledgeSnapshots: true as const } : {}),
    ...newer,
  };
}

/** It asks for a stack without encryption, which no key can be made for. */
const isWithoutKey = ({ stack }: VolumePatch): boolean =>
  stack !== undefined && !stack.layers.some(({ kind }) => kind === 'encryption');

/** What a change that gives way makes different, as a wish. `wanted` is what it leads to, with `legCount` legs. */
export function wishOfChange(change: ChangeRecord, wanted: VolumeWant, legCount: number): VolumePatch {
  if (change.from === null) return {};
  return {
    ...differenceBetween(change.from, wanted),
    ...poolsOf(change, change.from, wanted, legCount),
    ...(change.differences.includes('key') && change.from.keyRef !== null
      ? { rekey: { from: change.from.keyRef } }
      : {}),
    ...(change.kind === 'change' ? { acknowledgeSnapshots: true as const } : {}),
  };
}

function differenceBetween(from: VolumeWant, to: VolumeWant): VolumePatch {
  const [redundantBefore, redundant] = [from.alwaysRedundant ?? false, to.alwaysRedundant ?? false];
  return {
    ...(isSame(from.labels, to.labels) ? {} : { labels: to.labels }),
    ...(from.sizeBytes === to.sizeBytes ? {} : { sizeBytes: to.sizeBytes }),
    ...(isSame(from.stack, to.stack) ? {} : { stack: to.stack }),
    ...(redundantBefore === redundant ? {} : { alwaysRedundant: redundant }),
    ...(isSame(from.qos, to.qos) ? {} : { qos: to.qos }),
  };
}

/** A healing names the pools that are sound, which nobody has asked for. */
function poolsOf({ kind, differences }: ChangeRecord, from: VolumeWant, to: VolumeWant, legCount: number): VolumePatch {
  const isNamed = !isSame(from.placement.poolIds, to.placement.poolIds);
  const isMoved = kind === 'change' && (isNamed || differences.includes('pools'));
  return isMoved ? { placement: { poolIds: to.placement.poolIds?.slice(0, legCount) ?? [] } } : {};
}

/** The wish alone: what gave way to it was completed after all. */
export function ownOnly(followUp: FollowUp): FollowUp {
  const { inherited: _, ...own } = followUp;
  return own;
}

/** The wish with other limits than it was asked for with. */
export function limitedTo(followUp: FollowUp, qos: VolumeWant['qos']): FollowUp {
  return { ...followUp, patch: { ...followUp.patch, qos } };
}

/**
 * The wish as a patch of what the volume has come to be when the change before it is over. What that made different is
 * wanted only where it gave way to this wish: what settled is there already, and what failed, or was cancelled by
 * somebody, nobody wants any more.
 */
export function patchOf(
  { patch, inherited, isRekeyed }: FollowUp,
  before: ChangeRecord,
  want: VolumeWant,
): VolumePatch {
  const gaveWay = inherited !== undefined && before.reverting && before.problem?.code === 'cancelled';
  return keyed({ patch: gaveWay ? bothOf(inherited, { patch, isRekeyed }) : patch, isRekeyed }, want);
}

/** A volume that gets its first key needs no other instead of it. */
export function keyed({ patch, isRekeyed }: Wish, { keyRef }: VolumeWant): VolumePatch {
  const { rekey: inherited, ...rest } = patch;
  const rekey = isRekeyed && keyRef !== null ? { from: keyRef } : inherited;
  return rekey === undefined || keyRef === null ? rest : { ...rest, rekey };
}
