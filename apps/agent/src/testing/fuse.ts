import type { Call, CallHooks } from '@flexbso/dataplane-memory';
import type { Journal } from '../ports/journal.js';
import type { ValueStore } from '../ports/store.js';

/**
 * Kills an agent at its n-th moment: before or after a call of a port. A dead agent's calls never return and
 * have no effect, as if its process were gone; what it had done until then stays.
 */
export class Fuse {
  #blowsAt: number;
  readonly moments: string[] = [];

  constructor(blowsAt = Infinity) {
    this.#blowsAt = blowsAt;
  }

  get blown(): boolean {
    return this.moments.length >= this.#blowsAt;
  }

  /** Kills it at the n-th moment from now. */
  blowIn(moments: number): void {
    this.#blowsAt = this.moments.length + moments;
  }

  /** Kills it now. */
  blow(): void {
    this.#blowsAt = this.moments.length;
  }

  /** Never resolves for the dead. */
  async moment(name: string): Promise<void> {
    if (!this.blown) this.moments.push(name);
    if (this.blown) await new Promise<never>(() => undefined);
  }

  async around<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    await this.moment(`before ${name}`);
    const result = await work();
    await this.moment(`after ${name}`);
    return result;
  }

  hooks(inner: CallHooks = {}): CallHooks {
    return {
      before: async (call) => {
        await this.moment(`before ${nameOf(call)}`);
        await inner.before?.(call);
      },
      after: async (call) => {
        await inner.after?.(call);
        await this.moment(`after ${nameOf(call)}`);
      },
      lies: (call) => inner.lies?.(call) ?? false,
    };
  }

  /** Also dies with only the first of several entries on disk. */
  journal(inner: Journal): Journal {
    return {
      names: () => this.around('journal names', () => inner.names()),
      read: (name) => this.around('journal read', () => inner.read(name)),
      append: async (name, entries) => {
        await this.moment('before journal append');
        await inner.append(name, entries.slice(0, 1));
        await this.moment('within journal append');
        await inner.append(name, entries.slice(1));
        await this.moment('after journal append');
      },
      replace: (name, entries) => this.around('journal replace', () => inner.replace(name, entries)),
      remove: (name) => this.around('journal remove', () => inner.remove(name)),
      close: () => inner.close(),
    };
  }

  store(inner: ValueStore): ValueStore {
    return {
      load: () => this.around('store load', () => inner.load()),
      save: (value) => this.around('store save', () => inner.save(value)),
    };
  }
}

function nameOf({ method, step }: Call): string {
  return `${method} ${step?.kind ?? ''}`;
}
