import {
  type Caller,
  type CapabilityName,
  type CardSnapshot,
  cardSnapshotSchema,
  type PoolSnapshot,
  poolSnapshotSchema,
  type VolumeSpec,
  volumeSpecSchema,
} from '@flexbso/contracts';
import type { z } from 'zod';

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;
export const operator: Caller = { name: 'alice', role: 'operator', tenantId: 'acme' };
/** Of no tenant, as who works on cards and pools is. */
export const fleetOperator: Caller = { name: 'bob', role: 'operator', tenantId: null };
/** What a read begins with. */
export const reader = { v: 1 as const, caller: operator };
export const sessionId = '018f2f60-0000-4000-8000-000000000001';

/** Public halves of curve keys; nobody in these tests opens what is sealed to them. */
const sealingKey = `X${'A'.repeat(55)}`;

const cardCapabilities: CapabilityName[] = [
  'swap-live',
  'snapshot',
  'live-grow',
  'qos',
  'encryption',
  'raid1',
  'front-end.nbd',
  'front-end.virtio-blk',
  'leg.file',
  'leg.nbd',
];

export interface CardWish {
  readonly rack?: string;
  readonly without?: CapabilityName;
  readonly functions?: number;
  readonly sealingKey?: string;
}

export function aCard(cardId: string, wish: CardWish = {}): CardSnapshot {
  const { without } = wish;
  return cardSnapshotSchema.parse({
    ...common(cardId, wish.rack ?? 'rack-1'),
    ...(wish.sealingKey === undefined ? {} : { sealingKey: wish.sealingKey }),
    cardId,
    functions: Array.from({ length: wish.functions ?? 8 }, (_, index) => ({
      functionId: `vf-${index}`,
      kind: 'vf',
      protocols: ['nbd', 'virtio-blk'],
    })),
    budget: { iops: 1_000_000, bytesPerSecond: 10_000_000_000, memoryBytes: 8 * GIB, armCentiCores: 1600 },
    capabilities: {
      has: cardCapabilities
        .filter((name) => name !== without)
        .map((name) => ({ name, limits: name === 'encryption' ? { headerBytes: 2 * MIB } : {} })),
      lacks: without === undefined ? [] : [{ name: without, reason: 'not built into this data plane' }],
    },
  });
}

export function aPool(
  poolId: string,
  wish: { rack?: string; capacityBytes?: number; reach?: 'host' | 'network' } = {},
): PoolSnapshot {
  const reach = wish.reach ?? 'network';
  return poolSnapshotSchema.parse({
    ...common(poolId, wish.rack ?? 'rack-1'),
    poolId,
    budget: { capacityBytes: wish.capacityBytes ?? 100 * GIB, iops: 1_000_000, bytesPerSecond: 10_000_000_000 },
    reach,
    capabilities: {
      has: [
        { name: reach === 'host' ? 'leg.file' : 'leg.nbd', limits: {} },
        { name: 'grow-leg', limits: {} },
      ],
      lacks: [],
    },
  });
}

function common(id: string, rack: string) {
  return {
    v: 1,
    sessionId,
    sessionNumber: 1,
    serial: `serial-${id}`,
    model: 'stand-in',
    agentVersion: '0.1.0',
    hostId: 'host-1',
    failureDomain: { host: 'host-1', rack },
    labels: {},
    dataPlane: { name: 'memory', version: '1' },
    sealingKey,
    revision: 1,
    state: 'ready',
    unreachableSinceMs: null,
    cordoned: false,
    registeredAtMs: 1,
    lastHeardAtMs: 1,
  };
}

export function aSpec(spec: Partial<z.input<typeof volumeSpecSchema>> = {}): VolumeSpec {
  return volumeSpecSchema.parse({ name: 'vol-a', sizeBytes: 256 * MIB, protocol: 'nbd', ...spec });
}

export const encrypted = { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } as const;
