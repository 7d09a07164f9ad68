import type { SnapshotState, StackSpec } from '@flexbso/contracts';

/** A stack that lies beneath an overlay, as much as opening it takes; its legs are the volume's of the same generation. */
export interface BaseStack {
  stackGeneration: number;
  stack: StackSpec;
  keyRef: string | null;
}

/** A snapshot as the scheduler keeps it: the stack that its volume ran on until then, and what that lies on. */
export interface SnapshotRecord extends BaseStack {
  snapshotId: string;
  name: string;
  state: SnapshotState;
  sizeBytes: number;
  /** Beneath its own stack, the nearest first. */
  bases: BaseStack[];
  /** What makes it, or deletes it. */
  changeId: string;
  createdAtMs: number;
}
