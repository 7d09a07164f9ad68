import type { LegMeasurement, Volume, VolumeSpace } from '@flexbso/contracts';

type Measured = LegMeasurement & { readonly poolId: string; readonly atMs: number };

/** What a volume's legs take, as their own pools measured them; another pool's word on a leg counts for nothing. */
export function spaceOf({ volumeId, legs }: Volume, measured: readonly Measured[]): VolumeSpace {
  const spaces = legs.map(({ legId, poolId, sizeBytes }) => {
    const found = measured.find((one) => one.legId === legId && one.poolId === poolId);
    return {
      legId,
      poolId,
      sizeBytes,
      allocatedBytes: found?.allocatedBytes ?? null,
      uncompressedBytes: found?.uncompressedBytes ?? null,
      measuredAtMs: found?.atMs ?? null,
    };
  });
  return { volumeId, legs: spaces, savedBytes: savedBytes(spaces) };
}

function savedBytes(legs: VolumeSpace['legs']): number | null {
  if (legs.some(({ allocatedBytes }) => allocatedBytes === null)) return null;
  const saved = legs.flatMap(({ allocatedBytes, uncompressedBytes }) =>
    allocatedBytes === null || uncompressedBytes === null ? [] : [uncompressedBytes - allocatedBytes],
  );
  return saved.length === 0 ? null : saved.reduce((sum, bytes) => sum + bytes, 0);
}
