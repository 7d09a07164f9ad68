/** The stand-in datacentre: three cards in three racks, each with a pool of its own, and two storage targets in two more. */
export interface CardPlan {
  readonly cardId: string;
  readonly hostId: string;
  readonly rack: string;
}

export interface PoolPlan {
  readonly poolId: string;
  readonly hostId: string;
  readonly rack: string;
  /** `host`: the own pool of the card in that host. `network`: a storage target, over NBD. */
  readonly reach: 'host' | 'network';
}

export interface Topology {
  readonly cards: readonly CardPlan[];
  readonly pools: readonly PoolPlan[];
}

export const standInTopology: Topology = {
  cards: [1, 2, 3].map((n) => ({ cardId: `card-${n}`, hostId: `host-${n}`, rack: `rack-${n}` })),
  pools: [
    ...[1, 2, 3].map((n): PoolPlan => ({ poolId: `pool-${n}`, hostId: `host-${n}`, rack: `rack-${n}`, reach: 'host' })),
    ...[4, 5].map((n): PoolPlan => ({ poolId: `pool-${n}`, hostId: `host-${n}`, rack: `rack-${n}`, reach: 'network' })),
  ],
};
