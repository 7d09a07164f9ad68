import type { CardDataPlane, PoolDataPlane } from '@flexbso/dataplane-port';
import { z } from 'zod';
import type { Journal } from '../ports/journal.js';
import { Fuse } from './fuse.js';
import { wrappedPlane } from './hooked-plane.js';

/**
 * A fuse whose moments are named by what the agent is about, so that a moment of one run is found in another although
 * a real data plane is asked more or less often while it is waited for: the step, and the command within it.
 */
export class NamedFuse extends Fuse {
  readonly #strike: { readonly at: string; readonly act: (() => Promise<void>) | null } | null;
  #step = 'between steps';
  #isStruck = false;
  /** Acts of the data plane that have not ended. */
  #begun = 0;
  /** Of these, how many the death of their agent has stopped. */
  #halted = 0;
  /** Until then, no moment is the one that is meant. */
  isArmed = false;

  /** Dies at the first moment with that name; with `act`, does that there and lives. */
  constructor(at: string | null = null, act: (() => Promise<void>) | null = null) {
    super();
    this.#strike = at === null ? null : { at, act };
  }

  get isStruck(): boolean {
    return this.#isStruck;
  }

  /** What a dead agent was in the middle of has come to a moment: a process that is killed does no more, its double goes on to there. */
  get isStill(): boolean {
    return this.#halted >= this.#begun;
  }

  override async moment(name: string): Promise<void> {
    await this.#meet(name);
    await this.#passed(name);
  }

  readonly onCommand = (when: 'before' | 'after', command: string): Promise<void> =>
    this.#momentWithin(`${this.#step}: ${when} ${command}`);

  /** Each kind of entry by itself: an intent that is on disk is where a step begins. */
  override journal(inner: Journal): Journal {
    return {
      ...super.journal(inner),
      append: async (name, entries) => {
        const what = entries.map(entryName).join(' and ');
        await this.moment(`journal: before ${what}`);
        await inner.append(name, entries);
        await this.moment(`journal: after ${what}`);
      },
    };
  }

  plane(inner: CardDataPlane): CardDataPlane {
    return wrappedPlane(inner, ({ method, step }, work) =>
      this.#within(method === 'undo' ? `undo of ${step.kind}` : step.kind, work),
    );
  }

  pool(inner: PoolDataPlane): PoolDataPlane {
    return {
      discover: () => inner.discover(),
      list: () => inner.list(),
      observe: (legId) => inner.observe(legId),
      perform: (step, context) => this.#within(step.kind, () => inner.perform(step, context)),
      undo: (step, context) => this.#within(`undo of ${step.kind}`, () => inner.undo(step, context)),
      record: (desired) => this.#within('record', () => inner.record(desired)),
      served: (legId) => inner.served(legId),
      close: () => inner.close(),
    };
  }

  async #within(step: string, work: () => Promise<void>): Promise<void> {
    const before = this.#step;
    this.#step = step;
    this.#begun++;
    try {
      await this.#momentWithin(`${step}: before`);
      await work();
      await this.#momentWithin(`${step}: after`);
    } finally {
      this.#begun--;
    }
    this.#step = before;
  }

  async #momentWithin(name: string): Promise<void> {
    await this.#meet(name);
    const isOver = this.#passed(name);
    if (this.blown && this.#begun > 0) this.#halted++;
    await isOver;
  }

  async #meet(name: string): Promise<void> {
    if (!this.isArmed || this.#isStruck || name !== this.#strike?.at) return;
    if (this.#strike.act) await this.#strike.act();
    else this.blow();
    this.#isStruck = true;
  }

  /** Before it is armed nothing counts; for the dead this never resolves. */
  async #passed(name: string): Promise<void> {
    if (this.isArmed || this.blown) await super.moment(name);
  }
}

/** What is looked at of an entry, of a volume's journal or a leg's. */
const namedEntrySchema = z.looseObject({
  kind: z.string(),
  planned: z.looseObject({ step: z.looseObject({ kind: z.string() }) }).optional(),
  step: z.looseObject({ kind: z.string() }).optional(),
});

function entryName(entry: unknown): string {
  const { kind, planned, step } = namedEntrySchema.parse(entry);
  return kind === 'intent' ? `intent of ${(planned?.step ?? step)?.kind}` : kind;
}
