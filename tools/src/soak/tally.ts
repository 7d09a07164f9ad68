import type { Change } from '@flexbso/contracts';

/** What a soak came to; the field names are those of its JSON. */
export interface Leaks {
  readonly files: number;
  readonly processes: number;
  readonly descriptors: number;
  readonly reservations: number;
}

export interface SoakResult {
  /** Changes that were accepted and ended, undone ones among them, refused ones not. */
  readonly changes: number;
  readonly undone: number;
  /** Requests that were refused, and changes that ended as refused; none of them is among `changes`. */
  readonly refused: number;
  readonly kills: number;
  readonly failedIo: number;
  readonly wrongBytes: number;
  readonly leaks: Leaks;
  readonly seed: number;
  readonly seconds: number;
  readonly ios: number;
  readonly longestIoMs: number;
  /** How many of `changes` were of each kind. */
  readonly byKind: Readonly<Record<string, number>>;
  /** How many refusals there were of each kind with each code. */
  readonly byRefusal: Readonly<Record<string, number>>;
  /** How many undone changes had each problem; `cancelled` is not the system's doing. */
  readonly byUndoing: Readonly<Record<string, number>>;
  /** What must not be and is no I/O and no leak: a change that did not end, an answer that nobody expects. */
  readonly complaints: readonly string[];
}

/** More of them say nothing more. */
const MAX_COMPLAINTS = 100;

/** Counts while it runs. */
export class Tally {
  kills = 0;
  failedIo = 0;
  wrongBytes = 0;
  ios = 0;
  longestIoMs = 0;
  readonly byKind: Record<string, number> = {};
  readonly byRefusal: Record<string, number> = {};
  readonly byUndoing: Record<string, number> = {};
  readonly complaints: string[] = [];
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  get changes(): number {
    return sumOf(this.byKind);
  }

  get undone(): number {
    return sumOf(this.byUndoing);
  }

  get refused(): number {
    return sumOf(this.byRefusal);
  }

  /** A change that ended: as `refused` it counts as the refusal of a request does, and as nothing else. */
  change(kind: string, state: Change['state'], code: string): void {
    if (state === 'refused') return this.refusedWith(kind, code);
    addTo(this.byKind, kind);
    if (state === 'undone') addTo(this.byUndoing, code);
  }

  refusedWith(kind: string, code: string): void {
    addTo(this.byRefusal, `${kind}: ${code}`);
  }

  io(durationMs: number): void {
    this.ios += 1;
    this.longestIoMs = Math.max(this.longestIoMs, durationMs);
  }

  complain(what: string): void {
    this.#say(`  NOT as it should be: ${what}`);
    if (this.complaints.length < MAX_COMPLAINTS) this.complaints.push(what);
  }

  get line(): string {
    return `${this.changes} changes (${this.undone} undone), ${this.refused} refused, ${this.kills} kills, ${this.ios} I/Os, ${this.failedIo} failed, ${this.wrongBytes} bytes wrong`;
  }

  result(leaks: Leaks, seed: number, seconds: number): SoakResult {
    const { changes, undone, refused, kills, failedIo, wrongBytes, ios, complaints } = this;
    const longestIoMs = Math.round(this.longestIoMs);
    const { byKind, byRefusal, byUndoing } = this;
    const counts = { changes, undone, refused, kills, failedIo, wrongBytes, leaks };
    return { ...counts, seed, seconds, ios, longestIoMs, byKind, byRefusal, byUndoing, complaints };
  }
}

/** Whether all held: something was changed, nothing failed, nothing was wrong, nothing leaked, nothing hung. */
export function allHeld({ changes, failedIo, wrongBytes, leaks, complaints }: SoakResult): boolean {
  const leaked = leaks.files + leaks.processes + leaks.descriptors + leaks.reservations;
  return changes > 0 && failedIo === 0 && wrongBytes === 0 && leaked === 0 && complaints.length === 0;
}

function addTo(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
