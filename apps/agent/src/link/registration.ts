import {
  ProblemError,
  type RegisterCard,
  type RegisterPool,
  heartbeatReplySchema,
  heartbeatSchema,
  registerCardSchema,
  registerPoolSchema,
  registerReplySchema,
} from '@flexbso/contracts';
import { z } from 'zod';
import type { Session } from '../identity/session.js';
import type { AgentBus } from '../ports/bus.js';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import type { Randomness } from '../ports/randomness.js';
import { backoffMs, jittered } from '../pacing/backoff.js';

export interface RegistrationPorts {
  readonly bus: AgentBus;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: AgentLog;
  readonly session: Session;
  /** What there is, found anew each time. */
  readonly inventory: () => Promise<RegisterCard | RegisterPool>;
  readonly onRegistered: () => void;
  readonly onFenced: (problem: ProblemError) => void;
  readonly requestTimeoutMs: number;
}

const requestSchema = z.union([registerCardSchema, registerPoolSchema]);

/** Tells the inventory what there is, until it is accepted, and then that it lives; anew whenever it is told to. */
export class Registration {
  readonly #ports: RegistrationPorts;
  readonly #stop = new AbortController();
  #nap = new AbortController();
  #isRegistered = false;
  #finished: Promise<void> | null = null;

  constructor(ports: RegistrationPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#finished ??= this.#run();
  }

  /** The connection came back: whoever answers now may never have heard of this agent. */
  again(): void {
    this.#isRegistered = false;
    this.#nap.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#nap.abort();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#ports;
    let heartbeatMs = 1_000;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#nap = new AbortController();
      try {
        if (this.#isRegistered) await this.#beat();
        else heartbeatMs = await this.#register();
        failures = 0;
      } catch (error) {
        failures++;
        if (error instanceof ProblemError && error.code === 'fenced') this.#ports.onFenced(error);
        log.warn('the inventory did not answer as expected', {
          registered: this.#isRegistered,
          failures,
          error: String(error),
        });
      }
      if (failures === 0 && !this.#isRegistered) continue;
      await clock.sleep(failures > 0 ? backoffMs(failures, random) : jittered(heartbeatMs, random), this.#nap.signal);
    }
  }

  async #register(): Promise<number> {
    const { bus, inventory, requestTimeoutMs, log, onRegistered } = this.#ports;
    const payload = await inventory();
    const reply = await bus.ask(
      'register',
      { request: requestSchema, reply: registerReplySchema },
      payload,
      requestTimeoutMs,
    );
    this.#isRegistered = true;
    log.info('registered', { heartbeatMs: reply.heartbeatMs, leaseMs: reply.leaseMs });
    onRegistered();
    return reply.heartbeatMs;
  }

  async #beat(): Promise<void> {
    const { bus, session, requestTimeoutMs } = this.#ports;
    const payload = { v: 1 as const, ...session };
    const reply = await bus.ask(
      'heartbeat',
      { request: heartbeatSchema, reply: heartbeatReplySchema },
      payload,
      requestTimeoutMs,
    );
    if (reply.register) this.#isRegistered = false;
  }
}
