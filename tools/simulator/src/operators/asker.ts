import { type Caller, ProblemError, type ProblemCode } from '@flexbso/contracts';
import type { SimBus } from '../bus/sim-bus.js';
import type { SimProcess } from '../processes/sim-process.js';
import type { Chance } from '../time/chance.js';

/** What says nothing about the request: whoever asked asks again, with the same key. */
const askAgain: readonly ProblemCode[] = [
  'unavailable',
  'deadline-exceeded',
  'internal',
  'fenced',
  'too-many-requests',
];
const DEADLINE_MS = 10_000;
const AGAIN = { leastMs: 200, mostMs: 2_000 };

/** Asks the scheduler as the gateway does, until it says yes or no. */
export class Asker {
  readonly process: SimProcess;
  readonly #bus: SimBus;
  readonly #chance: Chance;
  readonly #caller: Caller;
  #keys = 0;

  constructor(parts: { process: SimProcess; bus: SimBus; chance: Chance; caller: Caller }) {
    this.process = parts.process;
    this.#bus = parts.bus;
    this.#chance = parts.chance;
    this.#caller = parts.caller;
  }

  /** @throws ProblemError that the scheduler refused with */
  write(verb: string, fields: Record<string, unknown>): Promise<unknown> {
    this.#keys += 1;
    const idempotencyKey = `${this.process.name} ${this.#keys}`;
    return this.#ask(verb, { ...fields, idempotencyKey });
  }

  read(verb: string, fields: Record<string, unknown>): Promise<unknown> {
    return this.#ask(verb, fields);
  }

  async #ask(verb: string, fields: Record<string, unknown>): Promise<unknown> {
    const payload = { v: 1, caller: this.#caller, ...fields };
    for (;;) {
      try {
        return await this.#bus.ask(this.process, 'scheduler', { sender: null, verb, payload }, DEADLINE_MS);
      } catch (error) {
        if (!(error instanceof ProblemError) || !askAgain.includes(error.code)) throw error;
        await this.process.clock.sleep(this.#chance.int(AGAIN.leastMs, AGAIN.mostMs));
      }
    }
  }
}
