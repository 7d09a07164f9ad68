import type { CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { MemoryBucket } from '@flexbso/inventory/deciding';
import type { SimProcess } from '../processes/sim-process.js';
import type { Timeline } from '../time/timeline.js';

interface Follower {
  readonly card: (snapshot: CardSnapshot) => void;
  readonly pool: (snapshot: PoolSnapshot) => void;
}

const LATENCY_MS = 2;

/** The buckets in which inventory publishes, and whoever follows them. */
export class Snapshots {
  readonly cards: MemoryBucket<CardSnapshot>;
  readonly pools: MemoryBucket<PoolSnapshot>;
  readonly #followers = new Map<SimProcess, Follower>();

  constructor(timeline: Timeline) {
    this.cards = new MemoryBucket(({ snapshot }) => {
      if (snapshot) timeline.after(LATENCY_MS, () => this.#tell((follower) => follower.card(snapshot)));
    });
    this.pools = new MemoryBucket(({ snapshot }) => {
      if (snapshot) timeline.after(LATENCY_MS, () => this.#tell((follower) => follower.pool(snapshot)));
    });
  }

  /**
   * Tells what is published, and from now on what will be. One that stood still while it was starting follows later than
   * who took over from it, and takes nothing from that one.
   */
  follow(process: SimProcess, follower: Follower): void {
    const whileAlive =
      <Snapshot>(hear: (snapshot: Snapshot) => void) =>
      (snapshot: Snapshot): void =>
        void process.running().then(() => hear(snapshot));
    const following = { card: whileAlive(follower.card), pool: whileAlive(follower.pool) };
    this.#followers.set(process, following);
    process.onEnd(() => this.#followers.delete(process));
    void this.#tellAll(following);
  }

  #tell(act: (follower: Follower) => void): void {
    for (const follower of this.#followers.values()) act(follower);
  }

  async #tellAll({ card, pool }: Follower): Promise<void> {
    for (const { snapshot } of await this.cards.entries()) if (snapshot) card(snapshot);
    for (const { snapshot } of await this.pools.entries()) if (snapshot) pool(snapshot);
  }
}
