import type { LayerKind, QosLimits } from '@flexbso/contracts';

/** What one volume, or one layer of it, takes of a card. */
export interface LayerCost {
  readonly memoryBytes: number;
  /** Hundredths of an ARM core, taken whether there is I/O or not. */
  readonly armCentiCores: number;
  /** Hundredths of an ARM core for each thousand reserved I/Os a second. */
  readonly armCentiCoresPerThousandIops: number;
}

/** `head`: the volume itself, export and head included; the others come on top, each for its layer. */
export type CostTable = Readonly<Record<'head' | LayerKind, LayerCost>>;

const MIB = 1024 ** 2;

/**
 * Estimates, to be overridden by what a site measures. Memory of the head: 9 MB resident were measured for the
 * daemon of one volume (qsd.md), rounded up with its queues. ARM time of the head: an eight-core card that serves
 * 236 thousand I/Os a second through its SPDK (paper.md) spends 3.4 centicores on each thousand. Layers that touch
 * every byte (encryption, compression, parity) cost more than those that only send it on (mirror, stripe).
 */
export const defaultCosts: CostTable = {
  head: { memoryBytes: 16 * MIB, armCentiCores: 1, armCentiCoresPerThousandIops: 3.4 },
  encryption: { memoryBytes: 4 * MIB, armCentiCores: 0, armCentiCoresPerThousandIops: 2 },
  compression: { memoryBytes: 32 * MIB, armCentiCores: 1, armCentiCoresPerThousandIops: 8 },
  raid0: { memoryBytes: 2 * MIB, armCentiCores: 0, armCentiCoresPerThousandIops: 0.5 },
  raid1: { memoryBytes: 4 * MIB, armCentiCores: 0, armCentiCoresPerThousandIops: 1 },
  raid5f: { memoryBytes: 16 * MIB, armCentiCores: 0, armCentiCoresPerThousandIops: 3 },
};

export interface Rate {
  readonly iops: number;
  readonly bytesPerSecond: number;
}

/**
 * What limits reserve: their base rates; read and write are added up. A burst reserves nothing, it is lent.
 * Without limits nothing is reserved: the volume is best effort and takes what others leave.
 */
export function rateOf(qos: QosLimits | null): Rate {
  return {
    iops: qos?.iopsTotal ?? (qos?.iopsRead ?? 0) + (qos?.iopsWrite ?? 0),
    bytesPerSecond: qos?.bytesPerSecondTotal ?? (qos?.bytesPerSecondRead ?? 0) + (qos?.bytesPerSecondWrite ?? 0),
  };
}

/** What a volume takes of its card; each figure is rounded up once, at the end. */
export interface CardDemand extends Rate {
  readonly memoryBytes: number;
  readonly armCentiCores: number;
}

export function cardDemandOf(
  layers: readonly LayerKind[],
  qos: QosLimits | null,
  costs: CostTable = defaultCosts,
): CardDemand {
  const rate = rateOf(qos);
  const parts = (['head', ...layers] as const).map((part) => costs[part]);
  const sum = (of: (cost: LayerCost) => number) => Math.ceil(parts.reduce((total, cost) => total + of(cost), 0));
  return {
    ...rate,
    memoryBytes: sum((cost) => cost.memoryBytes),
    armCentiCores: sum((cost) => cost.armCentiCores + (cost.armCentiCoresPerThousandIops * rate.iops) / 1000),
  };
}

/** What one leg takes of its pool. */
export interface LegDemand extends Rate {
  readonly capacityBytes: number;
}

/**
 * A stripe spreads the rate over its legs; a mirror or a parity set may have to give all of it from each. `copy` is what
 * a copy from or to the stack takes beside the guest, for as long as it runs.
 */
export function legDemandOf(
  layers: readonly LayerKind[],
  qos: QosLimits | null,
  legCount: number,
  legSizeBytes: number,
  copy: Rate = { iops: 0, bytesPerSecond: 0 },
): LegDemand {
  const rate = rateOf(qos);
  const share = layers.includes('raid0') ? legCount : 1;
  return {
    capacityBytes: legSizeBytes,
    iops: Math.ceil((rate.iops + copy.iops) / share),
    bytesPerSecond: Math.ceil((rate.bytesPerSecond + copy.bytesPerSecond) / share),
  };
}
