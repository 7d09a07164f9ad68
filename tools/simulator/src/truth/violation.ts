/** What must hold at every moment of every run. */
export const invariants = [
  'one writer: no writable leg serves two volumes or two holders',
  'echo: applied is never ahead of what the data plane ran',
  'reservations: what is reserved is what is in use',
  'acknowledged: a request that was accepted is not forgotten',
  'once: a request is carried out at most once, and one that was refused is not carried out',
  'complete: every volume has one complete current stack',
  'absence: nothing is deleted without a tombstone',
  'frozen: a leg that a snapshot refers to is never written or deleted',
  'fenced: nothing is written under a lease that is past',
  'rest: when all is over, everything agrees and nothing is left',
] as const;
export type Invariant = (typeof invariants)[number];

export interface Violation {
  readonly invariant: Invariant;
  readonly what: string;
  readonly atEvent: number;
  readonly atMs: number;
}
