import { type DesiredLeg, type DesiredVolume, desiredLegSchema, desiredVolumeSchema } from '@flexbso/contracts';
import { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { AgentLog } from '../ports/log.js';
import type { ValueStore } from '../ports/store.js';

export type DesiredItem = DesiredVolume | DesiredLeg;

/** The last state that the agent was given. It is kept while the control plane is away, and rebuilt from. */
export interface AgentState<Item> {
  readonly v: 1;
  /** Which life of the scheduler's database it is from; null: none was followed yet. */
  readonly incarnation: string | null;
  /** The highest term in which a scheduler spoke: whoever has a lower one was replaced. 0: none was heard yet. */
  readonly term: number;
  readonly revision: number;
  readonly items: readonly Item[];
}

const common = {
  v: z.literal(1),
  incarnation: z.uuid().nullable(),
  // Saved before there were terms: whoever speaks next has a higher one.
  term: z.int().min(0).default(0),
  revision: z.int().min(0),
};
export const cardStateSchema: z.ZodType<AgentState<DesiredVolume>> = z.strictObject({
  ...common,
  items: z.array(desiredVolumeSchema),
});
export const poolStateSchema: z.ZodType<AgentState<DesiredLeg>> = z.strictObject({
  ...common,
  items: z.array(desiredLegSchema),
});

/** Off the way of a quick change, whose journal has its own sync; a crash within it costs one question. */
const SAVE_AFTER_MS = 50;
const SAVE_AGAIN_AFTER_MS = 1_000;

/**
 * The state in memory, saved behind every change of it: one save at a time, changes meanwhile in the next.
 * What an operation was begun for is in the journal too, so acting ahead of the save loses nothing.
 */
export class StateKeeper<Item> {
  readonly #store: ValueStore;
  readonly #clock: Clock;
  readonly #log: AgentLog;
  readonly #stop = new AbortController();
  #state: AgentState<Item>;
  #saved: AgentState<Item>;
  #saving: Promise<void> | null = null;

  private constructor(state: AgentState<Item>, store: ValueStore, clock: Clock, log: AgentLog) {
    this.#state = state;
    this.#saved = state;
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws when what was saved cannot be read: an empty state in its place could be taken for an order. */
  static async open<Item>(
    store: ValueStore,
    schema: z.ZodType<AgentState<Item>>,
    clock: Clock,
    log: AgentLog,
  ): Promise<StateKeeper<Item>> {
    const saved = await store.load();
    const state =
      saved === null ? { v: 1 as const, incarnation: null, term: 0, revision: 0, items: [] } : schema.parse(saved);
    return new StateKeeper(state, store, clock, log);
  }

  get state(): AgentState<Item> {
    return this.#state;
  }

  set(state: AgentState<Item>): void {
    this.#state = state;
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null;
    });
  }

  /** Resolves once the state is saved; false: this life ends before. */
  async saved(): Promise<boolean> {
    await this.#saving;
    return this.#saved === this.#state;
  }

  /** Resolves once the newest state is saved, or could not be. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#saving;
  }

  async #save(): Promise<void> {
    await this.#clock.sleep(SAVE_AFTER_MS, this.#stop.signal);
    while (this.#saved !== this.#state) {
      const state = this.#state;
      try {
        await this.#store.save(state);
        this.#saved = state;
      } catch (error) {
        this.#log.error('the state was not saved', { error: String(error) });
        if (this.#stop.signal.aborted) return;
        await this.#clock.sleep(SAVE_AGAIN_AFTER_MS, this.#stop.signal);
      }
    }
  }
}
