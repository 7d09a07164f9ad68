import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ProblemError } from '@flexbso/contracts';
import { type LeaseClock, systemLeaseClock } from './lease-clock.js';
import { measureLease } from './lease-metrics.js';
import type { LeaseFence, LeaseStore } from './lease-store.js';
import { LeaseTime, type LeaseTimes, serviceLeaseTimes } from './lease-time.js';

/** Of renewals that are not answered; they keep connections of the database from others. */
const maxAsking = 4;

export interface ServiceLeaseOptions {
  /** What only one process may do at a time. */
  readonly name: string;
  /** Somebody else holds it; called once for each holder. */
  readonly onStandby: (holder: string) => void;
  /** The database did not answer a standby that competes or a holder that renews; both go on asking. */
  readonly onFailed: (what: 'compete' | 'renew', error: unknown) => void;
  /**
   * The lease is over and the database does not say whether somebody took it (false), or it said that nobody did (true):
   * for what counts only the time in which this process could serve.
   */
  readonly onTrust?: (isHeld: boolean) => void;
  /**
   * Another process has taken over, or the database says nothing for half a minute; called once. Whatever was loaded
   * is no longer true: the process is to end, as soon as it can.
   */
  readonly onLost: (reason: string) => void;
  readonly times?: LeaseTimes;
  /** Default: the system's. */
  readonly clock?: LeaseClock;
  /** This life of this process, for people. Default: host, process id and a random id. */
  readonly holder?: string;
}

/**
 * A lease that this process holds: what only one process does at a time, and the token that fences its predecessors.
 * What is read from the database before `take` resolves may be changed by the holder before; what is read after it not.
 */
export class ServiceLease<Transaction> {
  /** Larger than any earlier holder's; a safe integer. */
  readonly token: number;
  readonly #options: ServiceLeaseOptions;
  readonly #times: LeaseTimes;
  readonly #clock: LeaseClock;
  readonly #store: LeaseStore<Transaction>;
  readonly #time: LeaseTime;
  readonly #ending = new AbortController();
  readonly #stopMeasuring: () => void;
  #isLost = false;
  #isReleased = false;
  #isTrusted = true;
  #asking = 0;

  private constructor(token: number, askedAtMs: number, store: LeaseStore<Transaction>, options: ServiceLeaseOptions) {
    this.token = token;
    this.#options = options;
    this.#times = options.times ?? serviceLeaseTimes;
    this.#clock = options.clock ?? systemLeaseClock;
    this.#store = store;
    this.#time = new LeaseTime(this.#times, askedAtMs);
    this.#stopMeasuring = measureLease(options.name, () => this.isHeld);
    void this.#watch();
  }

  /** Waits until the lease is free, as long as it takes, and takes it. */
  static async take<Transaction>(
    store: LeaseStore<Transaction>,
    options: ServiceLeaseOptions,
  ): Promise<ServiceLease<Transaction>> {
    const { leaseMs, pollEveryMs } = options.times ?? serviceLeaseTimes;
    const clock = options.clock ?? systemLeaseClock;
    const stopMeasuring = measureLease(options.name, () => false);
    const me = options.holder ?? `${hostname()}/${process.pid}/${randomUUID()}`;
    let seen: string | null = null;
    for (;;) {
      const askedAtMs = clock.monotonicMs();
      try {
        const holder = await holderOf(store);
        const token = holder === null ? await store.acquire(me, leaseMs) : null;
        if (token !== null) {
          stopMeasuring();
          return new ServiceLease(token, askedAtMs, store, options);
        }
        if (holder !== null && holder !== seen) options.onStandby(holder);
        seen = holder ?? seen;
      } catch (error) {
        options.onFailed('compete', error);
      }
      await clock.sleep(pollEveryMs);
    }
  }

  /** The first statement of every transaction of this process. @throws ProblemError `fenced` */
  readonly fence: LeaseFence<Transaction> = async (transaction) => {
    if (!this.#isLost && !(await this.#store.isFenced(transaction, this.token))) return;
    this.#lose('another process has taken it over');
    throw this.#fenced();
  };

  /** Whether the lease is still this process's by its own clock: nobody else can have taken it yet. */
  get isHeld(): boolean {
    return !this.#isLost && this.#time.isHeld(this.#clock.monotonicMs());
  }

  /** For what leaves the process without a transaction. @throws ProblemError `fenced` */
  requireHeld(): void {
    if (!this.isHeld) throw this.#fenced();
  }

  /** Asks the database. @throws ProblemError `fenced`; what the database throws when it does not answer */
  async confirm(): Promise<void> {
    if (!(await this.#renew())) throw this.#fenced();
  }

  /** Gives the lease back, after everything that writes has ended: a successor need not wait for its end. */
  async release(): Promise<void> {
    this.#ending.abort();
    this.#isReleased = true;
    this.#stopMeasuring();
    if (!this.#isLost) await this.#store.release(this.token);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ending;
    for (;;) {
      await this.#clock.sleep(this.#times.checkEveryMs, signal);
      if (signal.aborted) return;
      this.#check();
    }
  }

  #check(): void {
    const { verdict, renew } = this.#time.check(this.#clock.monotonicMs());
    if (verdict === 'lost') return this.#lose('the database does not say who holds it');
    this.#trust(verdict === 'held');
    if (!renew || this.#asking >= maxAsking) return;
    this.#asking += 1;
    this.#renew()
      .catch((error: unknown) => {
        this.#time.failed();
        this.#options.onFailed('renew', error);
      })
      .finally(() => (this.#asking -= 1));
  }

  #trust(isHeld: boolean): void {
    if (this.#isTrusted === isHeld) return;
    this.#isTrusted = isHeld;
    this.#options.onTrust?.(isHeld);
  }

  async #renew(): Promise<boolean> {
    const askedAtMs = this.#clock.monotonicMs();
    const isOurs = !this.#isLost && (await this.#store.renew(this.token, this.#times.leaseMs));
    if (isOurs) this.#time.renewed(askedAtMs);
    else this.#lose('another process has taken it over');
    return isOurs;
  }

  #lose(reason: string): void {
    this.#ending.abort();
    // A renewal that crosses the release finds the token used up.
    if (this.#isLost || this.#isReleased) return;
    this.#isLost = true;
    this.#options.onLost(reason);
  }

  #fenced(): ProblemError {
    const { name } = this.#options;
    return new ProblemError({
      code: 'fenced',
      detail: `this process no longer holds the lease of ${name} (token ${this.token}) and changes nothing; ask again, the process that holds it answers`,
      facts: { lease: name, token: this.token },
    });
  }
}

/** Looking locks nothing; trying to take it would make the holder's transactions wait. */
async function holderOf(store: Pick<LeaseStore<never>, 'look'>): Promise<string | null> {
  const held = await store.look();
  return held !== null && held.remainingMs > 0 ? held.holder : null;
}
