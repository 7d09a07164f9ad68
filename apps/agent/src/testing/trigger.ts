import { Fuse } from './fuse.js';

/** Calls `act` once, at the agent's n-th moment. */
export class Trigger extends Fuse {
  readonly #at: number;
  readonly #act: () => Promise<void>;
  #isDone = false;

  constructor(at: number, act: () => Promise<void>) {
    super();
    this.#at = at;
    this.#act = act;
  }

  override async moment(name: string): Promise<void> {
    await super.moment(name);
    if (this.#isDone || this.moments.length < this.#at) return;
    this.#isDone = true;
    await this.#act();
  }
}
