import type { VolumePatch } from '@flexbso/contracts';

/** One change of the demo, as it is asked of the API. */
export interface DemoChange {
  readonly name: string;
  readonly patch: VolumePatch;
}

export const demoVolume = {
  name: 'demo',
  sizeBytes: 256 * 1024 ** 2,
  protocol: 'nbd',
  labels: { purpose: 'demo' },
  placement: { cardId: 'card-1', poolIds: ['pool-1'] },
} as const;

/** In this order: each stands on what the one before left. */
export const demoChanges: readonly DemoChange[] = [
  { name: 'QoS set: 4,000 IOPS', patch: { qos: { iopsTotal: 4000 } } },
  {
    name: 'QoS changed: 2,000 IOPS, 64 MiB/s',
    patch: { qos: { iopsTotal: 2000, bytesPerSecondTotal: 64 * 1024 ** 2 } },
  },
  { name: 'QoS lifted', patch: { qos: null } },
  { name: 'moved: own pool to remote pool-4', patch: { placement: { poolIds: ['pool-4'] } } },
  { name: 'moved: pool-4 to remote pool-5', patch: { placement: { poolIds: ['pool-5'] } } },
  { name: 'encryption on', patch: { stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } } },
  { name: 'encryption off', patch: { stack: { layers: [] } } },
];
