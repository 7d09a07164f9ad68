import type { Layer } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressKindOfPool,
  cardLayersOf,
  legCompressionOf,
  legCountOf,
  legSizeBytes,
  missingCapabilities,
  requiredCapabilities,
  requiredPoolCapabilities,
  validateStack,
  widenedLimits,
} from './index.js';
import { capable, layersArbitrary } from './testing/arbitraries.js';

const compression: Layer = { kind: 'compression', algorithm: 'zstd' };
const encryption: Layer = { kind: 'encryption', cipher: 'aes-xts-256' };
const mirror: Layer = { kind: 'raid1', legCount: 2, safeRead: false };
const stripe: Layer = { kind: 'raid0', legCount: 3 };
const GIB = 1024 ** 3;

describe('a stack', () => {
  it('is valid in the order compression, encryption, redundancy, with each of them left out or not', () => {
    fc.assert(
      fc.property(layersArbitrary, (layers) => {
        expect(validateStack(layers)).toBeNull();
      }),
    );
  });

  it('is refused with compression beneath encryption, since that saves nothing', () => {
    const problem = validateStack([encryption, compression]);
    expect(problem?.code).toBe('invalid-stack');
    expect(problem?.detail).toContain('saves nothing');
    expect(problem?.errors?.[0]?.path).toBe('stack.layers.1');
  });

  it('is refused with two layers of one role or another order', () => {
    expect(validateStack([mirror, stripe])?.detail).toContain('at most one redundancy');
    expect(validateStack([encryption, mirror, encryption])?.detail).toContain('at most one encryption');
    expect(validateStack([mirror, encryption])?.detail).toContain('the order from the top');
    expect(validateStack([mirror, compression])?.detail).toContain('the order from the top');
  });

  it('is refused with safe reads over two legs, where no majority exists', () => {
    expect(validateStack([{ kind: 'raid1', legCount: 2, safeRead: true }])?.detail).toContain('majority');
    expect(validateStack([{ kind: 'raid1', legCount: 3, safeRead: true }])).toBeNull();
  });

  it('says how many legs it stands on, and how large each is with its headers', () => {
    expect(legCountOf([])).toBe(1);
    expect(legCountOf([encryption, stripe])).toBe(3);
    expect(legSizeBytes([], GIB, capable())).toBe(GIB);
    expect(legSizeBytes([mirror], GIB, capable())).toBe(GIB);
    expect(legSizeBytes([encryption, mirror], GIB, capable())).toBe(GIB + 2_068_480);
    expect(legSizeBytes([{ kind: 'raid5f', legCount: 3 }], GIB, capable())).toBe(GIB / 2);
  });

  it('has striped legs of whole strips that together carry the volume', () => {
    const legBytes = legSizeBytes([encryption, stripe], GIB, capable());
    expect(legBytes % (128 * 1024)).toBe(0);
    expect(3 * legBytes).toBeGreaterThanOrEqual(GIB + 2_068_480);
  });
});

describe('compression by the pools', () => {
  const byPools: Layer = { kind: 'compression', algorithm: 'zstd', by: 'pools' };

  it('is the pools’ to do and to be able to, and none of the card’s', () => {
    expect(validateStack([byPools, mirror])).toBeNull();
    expect(cardLayersOf([byPools, mirror])).toEqual([mirror]);
    expect(legCompressionOf([byPools, mirror])).toBe('zstd');
    expect(requiredPoolCapabilities([byPools, mirror])).toEqual(['compress-leg']);
    expect(requiredCapabilities([byPools, mirror], 'nbd', [])).toEqual(['front-end.nbd', 'raid1']);
  });

  it('is the card’s where it is not the pools’', () => {
    for (const layer of [compression, { ...compression, by: 'card' } as const]) {
      expect(cardLayersOf([layer])).toEqual([layer]);
      expect(legCompressionOf([layer])).toBeNull();
      expect(requiredPoolCapabilities([layer])).toEqual([]);
    }
  });

  it('is refused with encryption, which would lie above it', () => {
    expect(validateStack([byPools, encryption, mirror])?.detail).toContain(
      'stack.layers.0: compression beneath encryption saves nothing',
    );
  });
});

describe('the capabilities that a stack takes', () => {
  it('are its layers, its front end and the way to its legs', () => {
    expect(
      requiredCapabilities([encryption, { kind: 'raid1', legCount: 3, safeRead: true }], 'virtio-blk', ['nbd', 'nbd']),
    ).toEqual(['encryption', 'front-end.virtio-blk', 'leg.nbd', 'raid1', 'safe-read']);
  });

  it('are missed by name, card and the reason that the card gave', () => {
    const card = capable([{ name: 'raid0', reason: 'this data plane has no striping' }]);
    const problem = missingCapabilities([stripe], 'nbd', ['file'], card, 'card-7');
    expect(problem?.code).toBe('missing-capability');
    expect(problem?.detail).toBe('card card-7 lacks raid0 (this data plane has no striping)');
    expect(missingCapabilities([mirror], 'nbd', ['file'], card, 'card-7')).toBeNull();
  });

  it('tell how cards will reach a pool before it serves anything', () => {
    expect(addressKindOfPool({ has: [{ name: 'leg.nbd', limits: {} }], lacks: [] })).toBe('nbd');
    expect(addressKindOfPool({ has: [{ name: 'leg.file', limits: {} }], lacks: [] })).toBe('file');
    expect(addressKindOfPool({ has: [], lacks: [] })).toBe('memory');
  });
});

describe('limits widened for a copy', () => {
  it('leave the guest what it had beside the copy, and leave unlimited what was', () => {
    const widened = widenedLimits(
      { iopsTotal: 300, bytesPerSecondRead: 1_000_000, bytesPerSecondWrite: 5000 },
      64 * 1024 * 10,
    );
    expect(widened).toEqual({ iopsTotal: 310, bytesPerSecondRead: 1_000_000 + 655_360, bytesPerSecondWrite: 5000 });
  });
});
