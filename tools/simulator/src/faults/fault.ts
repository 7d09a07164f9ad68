import type { CardStepKind, PoolStepKind } from '@flexbso/contracts';

export type StepKind = CardStepKind | PoolStepKind;

/** What goes wrong in a run. */
export const faultKinds = [
  'message-lost',
  'message-doubled',
  'message-delayed',
  'message-reordered',
  /** A process ends before, or after, one of its calls; it comes back a little later. */
  'crash-before',
  'crash-after',
  /** The active scheduler stands still past its lease, and goes on when another has taken over. */
  'lease-lost',
  /** An agent's disk takes no more of its journal, or a pool's no more of a leg. */
  'disk-full',
  /** The data plane answers success and has done nothing. */
  'data-plane-lies',
  'step-fails',
  /** The step is done, and the answer says that it failed. */
  'answer-lost',
  'data-plane-killed',
  'bus-away',
  /** The scheduler's database is an older copy of itself. */
  'database-restored',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A fault that waits for its moment: the `skip`-th one after it was armed at which an agent is at `step`. */
export interface ArmedFault {
  readonly kind: FaultKind;
  /** Null: at any. */
  readonly step: StepKind | null;
  skip: number;
}
