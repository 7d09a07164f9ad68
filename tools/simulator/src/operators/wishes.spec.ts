import { volumePatchSchema } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { Chance } from '../time/chance.js';
import { patchOf } from './wishes.js';

const POOLS = ['pool-1', 'pool-2'];
const volume = { sizeBytes: 8 * 1024 ** 2, qos: null, keyRef: null, snapshots: [] };

describe('what clients want of a volume', () => {
  it('is understood, and moves it to each pool, and to where placement prefers', () => {
    const chance = new Chance(1);
    const patches = Array.from({ length: 300 }, () => patchOf(chance, volume, POOLS));
    expect(patches.filter((patch) => !volumePatchSchema.safeParse(patch).success)).toEqual([]);
    const places = new Set(patches.flatMap(({ placement }) => (placement ? [placement.poolIds?.join() ?? ''] : [])));
    expect([...places].toSorted()).toEqual(['', ...POOLS]);
  });
});
