/** How long a lease lasts and how it is kept, all in milliseconds. */
export interface LeaseTimes {
  /** From the last renewal until another may take it. */
  readonly leaseMs: number;
  /** Three renewals fit in a lease, so that one that fails or is late costs nothing. */
  readonly renewEveryMs: number;
  /** How often the holder looks at its clock. */
  readonly checkEveryMs: number;
  /** Between tries when the database does not answer. */
  readonly retryEveryMs: number;
  /** How long a holder in doubt asks before it gives up. */
  readonly giveUpMs: number;
  /** How often a standby looks whether the lease is free. */
  readonly pollEveryMs: number;
}

/**
 * A standby serves within ten seconds of the holder's end: 5 s of lease, half a second of poll, and what loading takes.
 * Shorter would turn a busy second of the database into a takeover. A database that restarts is back well within half a
 * minute; after that a new process with new connections is the better bet.
 */
export const serviceLeaseTimes: LeaseTimes = {
  leaseMs: 5_000,
  renewEveryMs: 1_500,
  checkEveryMs: 250,
  retryEveryMs: 500,
  giveUpMs: 30_000,
  pollEveryMs: 500,
};

export interface LeaseCheck {
  /** `doubt`: over, and the database has not said yet whether somebody took it. `lost`: it said nothing for too long. */
  readonly verdict: 'held' | 'doubt' | 'lost';
  /** A renewal is due. */
  readonly renew: boolean;
}

/**
 * What a holder may believe of its lease. No I/O, no clock: instants are given, in milliseconds of a clock that never
 * goes back. Counted from when the database was asked, not from its answer: its own count begins in between, so that
 * the holder stops believing before anybody else can take over.
 */
export class LeaseTime {
  readonly #times: LeaseTimes;
  #heldSinceMs: number;
  #triedAtMs: number;
  #hasFailed = false;
  #doubtSinceMs: number | null = null;

  constructor(times: LeaseTimes, askedAtMs: number) {
    this.#times = times;
    this.#heldSinceMs = askedAtMs;
    this.#triedAtMs = askedAtMs;
  }

  /** The database said that the lease is still ours. @param askedAtMs when it was asked */
  renewed(askedAtMs: number): void {
    this.#heldSinceMs = Math.max(this.#heldSinceMs, askedAtMs);
    this.#hasFailed = false;
  }

  /** The database did not answer. */
  failed(): void {
    this.#hasFailed = true;
  }

  isHeld(nowMs: number): boolean {
    return nowMs < this.#heldSinceMs + this.#times.leaseMs;
  }

  /** To be called on a beat. Counts as a try when it says that one is due. */
  check(nowMs: number): LeaseCheck {
    const { renewEveryMs, retryEveryMs, giveUpMs } = this.#times;
    const isHeld = this.isHeld(nowMs);
    // From when it is noticed, not from its end: who was stopped meanwhile could not ask.
    this.#doubtSinceMs = isHeld ? null : (this.#doubtSinceMs ?? nowMs);
    if (this.#doubtSinceMs !== null && nowMs - this.#doubtSinceMs >= giveUpMs) return { verdict: 'lost', renew: false };
    const renew = nowMs - this.#triedAtMs >= (isHeld && !this.#hasFailed ? renewEveryMs : retryEveryMs);
    if (renew) this.#triedAtMs = nowMs;
    return { verdict: isHeld ? 'held' : 'doubt', renew };
  }
}
