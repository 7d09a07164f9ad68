import type { CapabilityName, CardSnapshot, PoolSnapshot } from '@flexbso/contracts';
import { Fleet, type PlacementRequest } from '../index.js';

const GIB = 1024 ** 3;
const capabilitiesOf = (names: readonly CapabilityName[]) => ({
  has: names.map((name) => ({ name, limits: {} })),
  lacks: [],
});
const common = {
  v: 1 as const,
  sessionId: '00000000-0000-4000-8000-000000000000',
  sessionNumber: 1,
  serial: 's',
  model: 'stand-in',
  agentVersion: '0.1.0',
  labels: {},
  dataPlane: { name: 'memory' as const, version: '1' },
  sealingKey: `X${'A'.repeat(55)}`,
  revision: 1,
  state: 'ready' as const,
  quarantineReason: null,
  unreachableSinceMs: null,
  cordoned: false,
  registeredAtMs: 0,
  lastHeardAtMs: 0,
};

/** Card `n` in host `n`, with four NBD functions and a small budget. */
export function card(n: number, difference: Partial<CardSnapshot> = {}): CardSnapshot {
  return {
    ...common,
    cardId: `card-${n}`,
    hostId: `host-${n}`,
    failureDomain: { host: `host-${n}`, rack: `rack-${n}` },
    capabilities: capabilitiesOf(['front-end.nbd', 'qos', 'swap-live', 'leg.file', 'leg.nbd']),
    functions: [0, 1, 2, 3].map((index) => ({
      functionId: `fn-${index}`,
      kind: 'vf' as const,
      protocols: ['nbd' as const],
    })),
    budget: { iops: 1000, bytesPerSecond: 1_000_000_000, memoryBytes: GIB, armCentiCores: 800 },
    ...difference,
  };
}

/** Pool `n` in rack `n`, 10 GiB, over the network. */
export function pool(n: number, difference: Partial<PoolSnapshot> = {}): PoolSnapshot {
  return {
    ...common,
    poolId: `pool-${n}`,
    hostId: `host-${n}`,
    failureDomain: { host: `host-${n}`, rack: `rack-${n}` },
    capabilities: capabilitiesOf([difference.reach === 'host' ? 'leg.file' : 'leg.nbd']),
    budget: { capacityBytes: 10 * GIB, iops: 1000, bytesPerSecond: 1_000_000_000 },
    reach: 'network',
    ...difference,
  };
}

export function fleetOf(cards: readonly CardSnapshot[], pools: readonly PoolSnapshot[]): Fleet {
  const fleet = new Fleet();
  for (const snapshot of cards) fleet.setCard(snapshot);
  for (const snapshot of pools) fleet.setPool(snapshot);
  return fleet;
}

export function request(difference: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    protocol: 'nbd',
    requiredCapabilities: ['front-end.nbd'],
    requiredPoolCapabilities: [],
    card: { iops: 100, bytesPerSecond: 1_000_000, memoryBytes: 1024 ** 2, armCentiCores: 10 },
    legCount: 1,
    leg: { capacityBytes: GIB, iops: 100, bytesPerSecond: 1_000_000 },
    wish: { policy: 'spread', spreadLegsOver: 'rack', spreadRequired: false },
    seed: 1,
    ...difference,
  };
}
