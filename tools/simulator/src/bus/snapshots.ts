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
  #tell: Follower = { card: () => undefined, pool: () => undefined };

  constructor(timeline: Timeline) {
    this.cards = new MemoryBucket(({ snapshot }) => {
      if (snapshot) timeline.after(LATENCY_MS, () => this.#tell.card(snapshot));
    });
    this.pools = new MemoryBucket(({ snapshot }) => {
      if (snapshot) timeline.after(LATENCY_MS, () => this.#tell.pool(snapshot));
    });
  }

  /** Tells what is published, and from now on what will be. The newest follower takes the place of the one before. */
  follow(process: SimProcess, follower: Follower): void {
    const whileAlive =
      <Snapshot>(hear: (snapshot: Snapshot) => void) =>
      (snapshot: Snapshot): void =>
        void process.running().then(() => hear(snapshot));
    this.#tell = { card: whileAlive(follower.card), pool: whileAlive(follower.pool) };
    void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    for (const { snapshot } of await this.cards.entries()) if (snapshot) this.#tell.card(snapshot);
    for (const { snapshot } of await this.pools.entries()) if (snapshot) this.#tell.pool(snapshot);
  }
}
