import { type Divergence, ProblemError, divergenceSchema } from '@flexbso/contracts';
import type { Asker } from './asker.js';

const LOOK_EVERY_MS = 3_000;

/** The operator after a restore: adopts what runs, deletes what cannot be adopted, until nothing differs any more. */
export class Settler {
  readonly #asker: Asker;
  /** What differed at the last look. */
  #last: Divergence | null = null;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** What is left, in the product's words; null: nothing is. */
  get unsettled(): string | null {
    if (this.#last === null) return 'nobody answers';
    const [volume] = this.#last.volumes;
    const [agent] = this.#last.agents;
    if (volume)
      return `${volume.volumeId}: ${volume.adopt.what} / ${volume.delete.what}: ${JSON.stringify(volume.differences)}`;
    return agent ? `${agent.role} ${agent.id}: ${agent.failure ?? 'it follows another life'}` : null;
  }

  /** Resolves when no agent follows another life of the database. */
  async settleAll(): Promise<void> {
    for (;;) {
      await this.#asker.process.clock.sleep(LOOK_EVERY_MS);
      try {
        if (await this.#settleOnce()) return;
      } catch (error) {
        // What was seen is no longer so: the next look sees what is.
        if (!(error instanceof ProblemError)) throw error;
      }
    }
  }

  async #settleOnce(): Promise<boolean> {
    const found = divergenceSchema.parse(await this.#asker.read('list-differences', {}));
    this.#last = found;
    for (const volume of found.volumes) {
      const { volumeId: id, name, adopt } = volume;
      if (adopt.can) await this.#asker.write('adopt', { id, ...(name === null ? { name: id } : {}) });
      else if (volume.delete.can) await this.#asker.write('delete-diverged', { id });
    }
    if (found.volumeCount > 0) return false;
    for (const { id } of found.agents) await this.#asker.write('adopt', { id });
    return found.agents.length === 0;
  }
}
