import {
  type CardFixture,
  POOL_CAPACITY_BYTES,
  cardDataPlaneConformance,
  poolDataPlaneConformance,
} from '@flexbso/dataplane-port/conformance';
import { MemoryCard, MemoryCardDataPlane, MemoryPoolDataPlane, MemoryWorld } from './index.js';

const CARD_ID = 'card-1';
const clock = {
  nowMs: () => Date.now(),
  sleep: (durationMs: number) => new Promise<void>((resolve) => setTimeout(resolve, durationMs)),
};

async function cardFixture(): Promise<CardFixture> {
  const world = new MemoryWorld();
  const card = new MemoryCard(world, CARD_ID, () => Date.now());
  const driver = () => new MemoryCardDataPlane({ card, clock });
  return {
    dataPlane: driver(),
    secrets: { volumeKey: async () => new Uint8Array(32), legKey: async () => null },
    makeLeg: async (legId, sizeBytes) => {
      const serving = { epoch: 1, holderCardId: CARD_ID };
      const leg = { legId, poolId: 'pool-1', sizeBytes, epoch: 1 };
      world.legs.set(legId, {
        ...leg,
        volumeId: 'vol-conform001',
        holderCardId: CARD_ID,
        serving,
        writes: 0,
        headerKeyRef: null,
        role: 'preparing',
      });
      return { ...leg, address: { kind: 'memory' }, access: null };
    },
    scribble: async (legId) => {
      world.leg(legId).writes = 1;
    },
    restart: async () => driver(),
    // It moves no bytes: a leg knows the number of its newest write, and agents' tests compare those.
    guest: null,
    readAll: async (volumeId) => {
      card.guestReads(volumeId);
    },
    kill: async (volumeId) => card.kill(volumeId),
    end: async (volumeId) => card.end(volumeId),
    dispose: async () => undefined,
  };
}

cardDataPlaneConformance('the memory driver', cardFixture);

poolDataPlaneConformance('the memory driver', async () => {
  const world = new MemoryWorld();
  const budget = { capacityBytes: POOL_CAPACITY_BYTES, iops: 1000, bytesPerSecond: 1_000_000 };
  const driver = () => new MemoryPoolDataPlane({ world, poolId: 'pool-1', budget });
  return { dataPlane: driver(), restart: async () => driver(), dispose: async () => undefined };
});
