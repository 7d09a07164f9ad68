import type { VolumePatch } from '@flexbso/contracts';

/** Who uses the demo's volume: a virtual machine as its disk, or fio on this machine over NBD. */
export const demoClients = ['guest', 'nbd'] as const;
export type DemoClient = (typeof demoClients)[number];

/** One change of the demo: as it is asked of the API, or a process of the system that is restarted. */
export type DemoChange = { readonly name: string } & ({ readonly patch: VolumePatch } | { readonly restart: string });

export const demoVolume = {
  name: 'demo',
  sizeBytes: 256 * 1024 ** 2,
  labels: { purpose: 'demo' },
  placement: { cardId: 'card-1', poolIds: ['pool-1'] },
} as const;

export const protocolOf = (client: DemoClient): 'virtio-blk' | 'nbd' => (client === 'guest' ? 'virtio-blk' : 'nbd');

/** In this order: each stands on what the one before left. */
export const demoChanges: readonly DemoChange[] = [
  { name: 'QoS set: 4,000 IOPS', patch: { qos: { iopsTotal: 4000 } } },
  {
    name: 'QoS changed: 2,000 IOPS, 128 MiB/s',
    patch: { qos: { iopsTotal: 2000, bytesPerSecondTotal: 128 * 1024 ** 2 } },
  },
  { name: 'moved: own pool to remote pool-4', patch: { placement: { poolIds: ['pool-4'] } } },
  { name: 'encryption on', patch: { stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] } } },
  { name: 'QoS lifted', patch: { qos: null } },
  { name: 'encryption off', patch: { stack: { layers: [] } } },
  { name: 'moved: pool-4 to remote pool-5', patch: { placement: { poolIds: ['pool-5'] } } },
  { name: 'agent of card-1 restarted', restart: 'agent-card-1' },
  { name: 'scheduler restarted', restart: 'scheduler' },
  { name: 'NATS restarted', restart: 'nats' },
];

/**
 * What a client goes through. Over NBD only what is about the volume, so that it takes two minutes; and not
 * its growing, of which an NBD client cannot be told.
 */
export const changesFor = (client: DemoClient): readonly DemoChange[] =>
  demoChanges.filter((change) => client === 'guest' || ('patch' in change && change.patch.sizeBytes === undefined));
