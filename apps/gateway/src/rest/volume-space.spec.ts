import { describe, expect, it } from 'vitest';
import { volumeSchema } from '@flexbso/contracts';
import { volumeExample } from '../openapi/examples.js';
import { spaceOf } from './volume-space.js';

const volume = volumeSchema.parse(volumeExample);
const [leg] = volume.legs;
if (!leg) throw new Error('the example has no leg');
const heard = { legId: leg.legId, poolId: leg.poolId, atMs: 5, allocatedBytes: 1_000, uncompressedBytes: 4_000 };

describe('the space of a volume', () => {
  it('is what its pools measured, and what compression saves of it', () => {
    expect(spaceOf({ ...volume, legs: [leg] }, [heard])).toMatchObject({
      savedBytes: 3_000,
      legs: [{ legId: leg.legId, allocatedBytes: 1_000, uncompressedBytes: 4_000, measuredAtMs: 5 }],
    });
  });

  it('is not known while a leg was not measured, and another pool is not asked about it', () => {
    const elsewhere = { ...heard, poolId: 'pool-elsewhere' };
    expect(spaceOf({ ...volume, legs: [leg] }, [elsewhere])).toMatchObject({
      savedBytes: null,
      legs: [{ allocatedBytes: null, measuredAtMs: null }],
    });
    const other = { ...leg, legId: 'leg-0000000000' };
    expect(spaceOf({ ...volume, legs: [leg, other] }, [heard]).savedBytes).toBeNull();
  });

  it('names nothing as saved where nothing is compressed', () => {
    const { uncompressedBytes: _, ...plain } = heard;
    expect(spaceOf({ ...volume, legs: [leg] }, [plain])).toMatchObject({ savedBytes: null });
  });

  it('is more than without, where compression costs more than it saves', () => {
    expect(spaceOf({ ...volume, legs: [leg] }, [{ ...heard, uncompressedBytes: 0 }]).savedBytes).toBe(-1_000);
  });
});
