/** How long a lease lasts and how it is kept, all in milliseconds. */
export interface LeaseTimes {
  /** From the last renewal until another may take it. */
  readonly leaseMs: number;
  /** Three renewals fit in a lease, so that one that fails or is late costs nothing. */
  readonly renewEveryMs: number;
  /** How often the holder looks at its clock. */
  readonly checkEveryMs: number;
  /** What a holder that was not running (stopped, starved, swapped out) gets to ask whether it still is one. */
  readonly lastTryMs: number;
  /** How often a standby looks whether the lease is free. */
  readonly pollEveryMs: number;
}

/**
 * A standby serves within ten seconds of the holder's end: 5 s of lease, half a second of poll, and what loading takes.
 * Shorter would turn a busy second of the database into a takeover.
 */
export const serviceLeaseTimes: LeaseTimes = {
  leaseMs: 5_000,
  renewEveryMs: 1_500,
  checkEveryMs: 250,
  lastTryMs: 1_000,
  pollEveryMs: 500,
};

export interface LeaseCheck {
  /** `expired`: not to be trusted until the database has said that nobody else took it. `lost`: it said nothing in time. */
  readonly verdict: 'held' | 'expired' | 'lost';
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
  #checkedAtMs: number;
  #lastTryUntilMs = Number.NEGATIVE_INFINITY;

  constructor(times: LeaseTimes, askedAtMs: number) {
    this.#times = times;
    this.#heldSinceMs = askedAtMs;
    this.#triedAtMs = askedAtMs;
    this.#checkedAtMs = askedAtMs;
  }

  /** The database said that the lease is still ours. @param askedAtMs when it was asked */
  renewed(askedAtMs: number): void {
    this.#heldSinceMs = Math.max(this.#heldSinceMs, askedAtMs);
  }

  isHeld(nowMs: number): boolean {
    return nowMs < this.#heldSinceMs + this.#times.leaseMs;
  }

  /** To be called on a beat. Counts as a try when it says that one is due. */
  check(nowMs: number): LeaseCheck {
    // A gap means that we did not run and so could not ask: not the same as asking in vain.
    if (nowMs - this.#checkedAtMs > this.#times.renewEveryMs) this.#lastTryUntilMs = nowMs + this.#times.lastTryMs;
    this.#checkedAtMs = nowMs;
    const verdict = this.#verdict(nowMs);
    const renew = verdict !== 'lost' && nowMs - this.#triedAtMs >= this.#times.renewEveryMs;
    if (renew) this.#triedAtMs = nowMs;
    return { verdict, renew };
  }

  #verdict(nowMs: number): LeaseCheck['verdict'] {
    if (this.isHeld(nowMs)) return 'held';
    return nowMs < this.#lastTryUntilMs ? 'expired' : 'lost';
  }
}
