/** When silence is too common to be the agents' own: beyond both limits verdicts are held. */
export interface MassSilence {
  readonly agents: number;
  /** Of the agents with a lease, 0 to 1. */
  readonly share: number;
  readonly holdMs: number;
}

export interface LeaseOptions {
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly massSilence: MassSilence;
}

/** `expired`: their leases are over and forgotten. `held`: leases over, but so many at once that no verdict is given yet. */
export interface LeaseVerdicts {
  readonly expired: readonly string[];
  readonly held: readonly string[];
}

const nobody: LeaseVerdicts = { expired: [], held: [] };

/**
 * The agents' signs of life. Only time in which we ourselves could hear counts: after a pause of ours (own start, bus
 * away, a process that was stopped) every lease starts anew. No I/O, no clock: instants are given, in milliseconds of
 * a clock that never goes back.
 */
export class LeaseBook {
  readonly #options: LeaseOptions;
  readonly #endsAtMs = new Map<string, number>();
  #deaf = false;
  #checkedAtMs: number | undefined;
  #heldSinceMs: number | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Starts or renews a lease. */
  renew(agent: string, nowMs: number): void {
    this.#endsAtMs.set(agent, nowMs + this.#options.leaseMs);
  }

  /** Whether the agent has a lease: it was heard, and no verdict was given since. */
  has(agent: string): boolean {
    return this.#endsAtMs.has(agent);
  }

  /** We cannot hear: no lease ends until `hearAgain`. */
  goDeaf(): void {
    this.#deaf = true;
  }

  hearAgain(nowMs: number): void {
    this.#deaf = false;
    this.#startAnew(nowMs);
  }

  /** To be called on a beat of at most a heartbeat; a longer gap means that we were not running. */
  check(nowMs: number): LeaseVerdicts {
    const previousMs = this.#checkedAtMs ?? nowMs;
    this.#checkedAtMs = nowMs;
    if (this.#deaf) return nobody;
    if (nowMs - previousMs > this.#options.heartbeatMs) {
      this.#startAnew(nowMs);
      return nobody;
    }
    const held = this.#isHeld(nowMs);
    const over = [...this.#endsAtMs].filter(([, endsAtMs]) => endsAtMs <= nowMs).map(([agent]) => agent);
    if (held) return { expired: [], held: over };
    for (const agent of over) this.#endsAtMs.delete(agent);
    return { expired: over, held: [] };
  }

  #startAnew(nowMs: number): void {
    this.#heldSinceMs = undefined;
    for (const agent of this.#endsAtMs.keys()) this.renew(agent, nowMs);
  }

  /**
   * Agents that went silent together do not end together: their heartbeats were spread over one interval. So whoever
   * has less than a heartbeat left counts as silent too.
   */
  #isHeld(nowMs: number): boolean {
    const { heartbeatMs, massSilence } = this.#options;
    let silent = 0;
    for (const endsAtMs of this.#endsAtMs.values()) if (endsAtMs - heartbeatMs <= nowMs) silent += 1;
    if (silent <= massSilence.agents || silent <= massSilence.share * this.#endsAtMs.size) {
      this.#heldSinceMs = undefined;
      return false;
    }
    this.#heldSinceMs ??= nowMs;
    return nowMs - this.#heldSinceMs < massSilence.holdMs;
  }
}
