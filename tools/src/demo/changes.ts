import type { Change, VolumePatch } from '@flexbso/contracts';
import type { ApiClient, Changed } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import type { BlockLedger } from '../load/block-ledger.js';
import type { LoadTarget } from '../load/target.js';

/** Who uses the demo's volume: a virtual machine as its disk, or fio on this machine over NBD. */
export const demoClients = ['guest', 'nbd'] as const;
export type DemoClient = (typeof demoClients)[number];

/** What a change is made in. */
export interface ChangeScene {
  readonly cluster: Cluster;
  readonly api: ApiClient;
  readonly volumeId: string;
}

/** One change of the demo or a benchmark: as it is asked of the API, or a process of the system that is restarted. */
export type DemoChange = {
  readonly name: string;
  /** What must have happened before, which is not looked at. */
  readonly prepare?: (scene: ChangeScene, target: LoadTarget, ledger: BlockLedger) => Promise<void>;
} & (
  | { readonly patch: VolumePatch }
  /** What depends on the volume as it is by then, or is no patch. */
  | { readonly ask: (api: ApiClient, volumeId: string) => Promise<Changed> }
  /** What the system begins by itself. */
  | { readonly cause: (scene: ChangeScene) => Promise<Change> }
  | { readonly restart: string }
);

export const demoVolume = {
  name: 'demo',
  sizeBytes: 256 * 1024 ** 2,
  labels: { purpose: 'demo' },
  placement: { cardId: 'card-1', poolIds: ['pool-1'] },
} as const;

export const protocolOf = (client: DemoClient): 'virtio-blk' | 'nbd' => (client === 'guest' ? 'virtio-blk' : 'nbd');

const mirror = { kind: 'raid1', legCount: 3, safeRead: false } as const;
const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;
const limited: readonly DemoChange[] = [
  { name: 'QoS set: 4,000 IOPS', patch: { qos: { iopsTotal: 4000 } } },
  {
    name: 'QoS changed: 2,000 IOPS, 128 MiB/s',
    patch: { qos: { iopsTotal: 2000, bytesPerSecondTotal: 128 * 1024 ** 2 } },
  },
];
const movedToTarget: DemoChange = {
  name: 'moved: own pool to remote pool-4',
  patch: { placement: { poolIds: ['pool-4'] } },
};
const unlimited: DemoChange = { name: 'QoS lifted', patch: { qos: null } };

/** In this order: each stands on what the one before left. */
const underGuest: readonly DemoChange[] = [
  ...limited,
  movedToTarget,
  {
    name: 'mirrored: own pool, pool-4 and pool-5',
    patch: { stack: { layers: [mirror] }, placement: { poolIds: ['pool-1', 'pool-4', 'pool-5'] } },
  },
  { name: 'encryption on, above the mirror', patch: { stack: { layers: [encryption, mirror] } } },
  unlimited,
  { name: 'encryption off', patch: { stack: { layers: [mirror] } } },
  { name: 'one leg again: remote pool-5', patch: { stack: { layers: [] }, placement: { poolIds: ['pool-5'] } } },
  { name: 'grown on its remote leg: 320 MiB', patch: { sizeBytes: 320 * 1024 ** 2 } },
  { name: 'agent of card-1 restarted', restart: 'agent-card-1' },
  { name: 'scheduler restarted', restart: 'scheduler' },
  { name: 'NATS restarted', restart: 'nats' },
];

/** What takes two minutes; without the growing, of which an NBD client cannot be told. */
const overNbd: readonly DemoChange[] = [
  ...limited,
  unlimited,
  movedToTarget,
  { name: 'moved: pool-4 to remote pool-5', patch: { placement: { poolIds: ['pool-5'] } } },
  { name: 'encryption on', patch: { stack: { layers: [encryption] } } },
  { name: 'encryption off', patch: { stack: { layers: [] } } },
];

export const changesFor = (client: DemoClient): readonly DemoChange[] => (client === 'guest' ? underGuest : overNbd);
