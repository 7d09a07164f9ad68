import type { DesiredVolume } from '@flexbso/contracts';
import type { VolumeBook } from './book.js';

/** What a volume has a leg for. */
export interface LegClaim {
  readonly legId: string;
  /** Of the stack that its head is on, or comes to be on: it is written. */
  readonly isWritten: boolean;
  /** Beneath a clone: other volumes may read it as well. */
  readonly isShared: boolean;
  /** Seen to carry the guest, or wanted only so far. */
  readonly isApplied: boolean;
}

/** Every leg that a volume's journal names: what was applied, what is under way, and what snapshots keep. */
export function claimsOfBook({ applied, operation, concluded, desired }: VolumeBook): LegClaim[] {
  // What an operator has to decide about may be open, and may carry the guest.
  const isUndecided = concluded?.phase === 'needs-operator' && concluded.operationId === desired?.operationId;
  const wanted = operation?.desired ?? (isUndecided ? desired : null);
  return [...(applied ? claimsOf(applied, true) : []), ...(wanted ? claimsOf(wanted, false) : [])];
}

/** Of a volume whose journal is not open: by what is wanted of it. */
export function claimsOf({ stack, bases = [], kept }: DesiredVolume, isApplied: boolean): LegClaim[] {
  const own = { isWritten: false, isShared: false, isApplied };
  return [
    ...stack.legs.map(({ legId }) => ({ ...own, legId, isWritten: true })),
    ...bases.flatMap(({ legs, shared }) => legs.map(({ legId }) => ({ ...own, legId, isShared: shared === true }))),
    ...(kept?.stacks ?? []).flatMap(({ legs, origin }) =>
      legs.map(({ legId }) => ({ ...own, legId, isShared: origin !== undefined })),
    ),
  ];
}

/**
 * Whether a leg that `own` names is another volume's. What carries a guest goes before what is only wanted, or a claim that
 * is refused would keep its owner from building it again.
 */
export function isTaken(legId: string, own: readonly LegClaim[], others: readonly LegClaim[]): boolean {
  const mine = own.filter((claim) => claim.legId === legId);
  const theirs = others.filter((claim) => claim.legId === legId);
  const isMine = mine.some(({ isApplied }) => isApplied);
  const counted = isMine ? theirs.filter(({ isApplied }) => isApplied) : theirs;
  return counted.some((their) => mine.length === 0 || mine.some((one) => !mayShare(one, their)));
}

function mayShare(one: LegClaim, other: LegClaim): boolean {
  return !one.isWritten && !other.isWritten && (one.isShared || other.isShared);
}
