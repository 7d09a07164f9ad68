import type { SnapshotState, StackSpec } from '@flexbso/contracts';
import type { LegRecord } from '../legs/leg-record.js';

/** A leg of another volume that a clone reads from. */
export type BaseLeg = Pick<
  LegRecord,
  'legId' | 'poolId' | 'position' | 'stackGeneration' | 'sizeBytes' | 'epoch' | 'addressKind' | 'address' | 'access'
>;

/** A stack that lies beneath an overlay, as much as opening it takes; its legs are the volume's of the same generation. */
export interface BaseStack {
  stackGeneration: number;
  stack: StackSpec;
  keyRef: string | null;
  /** Beneath a clone: whose it is. Left out: the volume's own. */
  origin?: { volumeId: string; snapshotId: string };
  /** With an origin: its legs, as that has them. */
  legs?: BaseLeg[];
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
