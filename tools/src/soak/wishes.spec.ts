import { volumePatchSchema, volumeSchema } from '@flexbso/contracts';
import type { Volume, VolumeSpec } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { Random } from './random.js';
import { wishFor, wishKinds } from './wishes.js';
import type { Wish } from './wishes.js';

const reach = { poolIds: ['pool-1', 'pool-4', 'pool-5'], compressingPoolIds: ['pool-4', 'pool-5'] };

function volumeOf(layers: VolumeSpec['stack']['layers'], poolIds: readonly string[]): Volume {
  const isEncrypted = layers.some(({ kind }) => kind === 'encryption');
  return volumeSchema.parse({
    volumeId: 'vol-0123456789',
    tenantId: 'default',
    name: 'soaked',
    labels: {},
    sizeBytes: 16 * 1024 ** 2,
    protocol: 'nbd',
    stack: { layers },
    keyRef: isEncrypted ? 'key-0123456789' : null,
    qos: { iopsTotal: 500 },
    placement: {},
    state: 'ready',
    generation: 1,
    appliedGeneration: 1,
    settledGeneration: 1,
    cardId: 'card-1',
    functionId: 'vf-0',
    legs: poolIds.map((poolId, index) => ({
      legId: `leg-012345678${index}`,
      poolId,
      sizeBytes: 16 * 1024 ** 2,
      epoch: 1,
      stackGeneration: 1,
      state: 'ready',
      current: true,
    })),
    legFaults: [],
    formerCards: [],
    uri: null,
    changeId: null,
    queuedChangeId: null,
    createdAtMs: 0,
  });
}

const raid1 = { kind: 'raid1' as const, legCount: 3, safeRead: false };
const encryption = { kind: 'encryption' as const, cipher: 'aes-xts-256' as const };
const volumes = [
  volumeOf([], ['pool-1']),
  volumeOf([raid1], reach.poolIds),
  volumeOf([encryption], ['pool-4']),
  volumeOf([encryption, raid1], reach.poolIds),
  volumeOf([{ kind: 'compression', algorithm: 'zstd', by: 'pools' }], ['pool-4']),
];

const madeWith = (seed: number): Wish[] => volumes.map((volume) => wishFor(volume, reach, new Random(seed)));

describe('the wishes of a soak', () => {
  const random = new Random(1);
  const wishes = volumes.flatMap((volume) => Array.from({ length: 300 }, () => wishFor(volume, reach, random)));

  it('come to every kind, combined ones too', () => {
    const seen = new Set(wishes.map(({ kind }) => kind));
    expect([...wishKinds, 'combined'].filter((kind) => !seen.has(kind))).toEqual([]);
  });

  it('are requests that the API can read', () => {
    for (const { patch } of wishes) expect(volumePatchSchema.safeParse(patch).success).toBe(true);
  });

  it('name a pool for each leg, and compress only where a pool can', () => {
    for (const { kind, patch } of wishes) {
      const { layers = [] } = patch.stack ?? {};
      const poolIds = patch.placement?.poolIds ?? [];
      const isPlacedAnew = patch.stack !== undefined && poolIds.length > 0;
      const legCount = layers.some((one) => one.kind === 'raid1') ? 3 : 1;
      expect([kind, poolIds.length]).toEqual([kind, isPlacedAnew ? legCount : poolIds.length]);
      const cannot = poolIds.filter((poolId) => !reach.compressingPoolIds.includes(poolId));
      expect([kind, layers.some((one) => one.kind === 'compression') && cannot.length > 0]).toEqual([kind, false]);
    }
  });

  it('are the same from the same seed', () => {
    expect(madeWith(5)).toEqual(madeWith(5));
    expect(madeWith(5)).not.toEqual(madeWith(6));
  });
});
