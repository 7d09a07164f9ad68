import type { QosLimits } from '@flexbso/contracts';

/** Our names beside the daemon's. All twelve are sent each time: `qom-set limits` merges with what was there. */
const keys = {
  iopsTotal: 'iops-total',
  iopsRead: 'iops-read',
  iopsWrite: 'iops-write',
  iopsTotalBurst: 'iops-total-max',
  iopsReadBurst: 'iops-read-max',
  iopsWriteBurst: 'iops-write-max',
  bytesPerSecondTotal: 'bps-total',
  bytesPerSecondRead: 'bps-read',
  bytesPerSecondWrite: 'bps-write',
  bytesPerSecondTotalBurst: 'bps-total-max',
  bytesPerSecondReadBurst: 'bps-read-max',
  bytesPerSecondWriteBurst: 'bps-write-max',
} as const satisfies Record<keyof QosLimits, string>;

const ourKeys = Object.keys(keys).filter((key): key is keyof QosLimits => Object.hasOwn(keys, key));

/** The daemon's limits for ours; 0 is unlimited there. */
export function toThrottleLimits(qos: QosLimits | null): Record<string, number> {
  return Object.fromEntries(ourKeys.map((key) => [keys[key], qos?.[key] ?? 0]));
}

/** Our limits of the daemon's; null: unlimited. */
export function fromThrottleLimits(limits: Readonly<Record<string, number>>): QosLimits | null {
  const qos: QosLimits = {};
  for (const key of ourKeys) {
    const value = limits[keys[key]] ?? 0;
    if (value > 0) qos[key] = value;
  }
  return Object.keys(qos).length === 0 ? null : qos;
}
