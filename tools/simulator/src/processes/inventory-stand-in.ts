import {
  type CardSnapshot,
  type PoolSnapshot,
  cardSnapshotSchema,
  poolSnapshotSchema,
  registerCardSchema,
  registerPoolSchema,
} from '@flexbso/contracts';
import type { Question, SimBus } from '../bus/sim-bus.js';
import type { Timeline } from '../time/timeline.js';
import { SimProcess } from './sim-process.js';

/** Takes every registration and publishes it. */
export class InventoryStandIn {
  readonly cards = new Map<string, CardSnapshot>();
  readonly pools = new Map<string, PoolSnapshot>();
  readonly #timeline: Timeline;
  readonly #tell: { card: (snapshot: CardSnapshot) => void; pool: (snapshot: PoolSnapshot) => void };

  constructor(
    timeline: Timeline,
    bus: SimBus,
    tell: { card: (snapshot: CardSnapshot) => void; pool: (snapshot: PoolSnapshot) => void },
  ) {
    this.#timeline = timeline;
    this.#tell = tell;
    const process = new SimProcess('inventory', timeline, () => false);
    bus.serve('inventory', { process, isServing: () => true, answer: (question) => this.#answer(question) });
  }

  async #answer({ sender, verb, payload }: Question): Promise<unknown> {
    if (verb === 'heartbeat') return { accepted: true, register: false };
    if (sender?.role === 'card') {
      const snapshot = cardSnapshotSchema.parse({
        ...registerCardSchema.parse(payload),
        cardId: sender.id,
        ...this.#common(),
      });
      this.cards.set(sender.id, snapshot);
      this.#timeline.after(1, () => this.#tell.card(snapshot));
    } else if (sender?.role === 'pool') {
      const snapshot = poolSnapshotSchema.parse({
        ...registerPoolSchema.parse(payload),
        poolId: sender.id,
        ...this.#common(),
      });
      this.pools.set(sender.id, snapshot);
      this.#timeline.after(1, () => this.#tell.pool(snapshot));
    }
    return { accepted: true, leaseMs: 15_000, heartbeatMs: 5_000 };
  }

  #common() {
    const { nowMs } = this.#timeline;
    return {
      revision: 1,
      state: 'ready',
      unreachableSinceMs: null,
      cordoned: false,
      registeredAtMs: nowMs,
      lastHeardAtMs: nowMs,
    };
  }
}
