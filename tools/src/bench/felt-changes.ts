import type { ApiClient, Changed } from '../api/client.js';
import { changesFor } from '../demo/changes.js';
import type { DemoChange, DemoClient } from '../demo/changes.js';

const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;
const compression = { kind: 'compression', algorithm: 'zstd' } as const;
const mirror = (safeRead: boolean) => ({ kind: 'raid1', legCount: 3, safeRead }) as const;
const threePools = { poolIds: ['pool-1', 'pool-4', 'pool-5'] };

async function rekeyed(api: ApiClient, volumeId: string): Promise<Changed> {
  const { keyRef } = await api.volume(volumeId);
  if (keyRef === null) throw new Error(`${volumeId} has no key to replace`);
  return api.changeVolume(volumeId, { rekey: { from: keyRef } });
}

/** What the demo over NBD leaves out for its two minutes. */
const mirrored: readonly DemoChange[] = [
  {
    name: 'mirrored: own pool, pool-4 and pool-5',
    patch: { stack: { layers: [mirror(false)] }, placement: threePools },
  },
  { name: 'encryption on, above the mirror', patch: { stack: { layers: [encryption, mirror(false)] } } },
];

/** What the demo shows to nobody; they begin on any stack and end on one leg on pool-4. */
const further: readonly DemoChange[] = [
  {
    name: 'one leg and encryption in one change: pool-4',
    patch: { stack: { layers: [encryption] }, placement: { poolIds: ['pool-4'] } },
  },
  { name: 're-keyed: encryption with another key', ask: rekeyed },
  {
    name: 'safe read over three legs, encryption off',
    patch: { stack: { layers: [mirror(true)] }, placement: threePools },
  },
  { name: 'safe read off', patch: { stack: { layers: [mirror(false)] } } },
  { name: 'one leg again: pool-4', patch: { stack: { layers: [] }, placement: { poolIds: ['pool-4'] } } },
];

const compressed: readonly DemoChange[] = [
  {
    name: 'compression on: pool-5',
    patch: { stack: { layers: [compression] }, placement: { poolIds: ['pool-5'] } },
  },
  {
    name: 'compression off: pool-4',
    patch: { stack: { layers: [] }, placement: { poolIds: ['pool-4'] } },
  },
];

/** The second leads to where the first began. */
const snapshots: readonly DemoChange[] = [
  { name: 'snapshot taken', ask: (api, volumeId) => api.createSnapshot(volumeId, 'felt') },
  { name: 'snapshot deleted, by writing back', ask: (api, volumeId) => api.deleteSnapshot(volumeId, 'felt') },
];

/** Every kind of change that this client can be shown, each on what the one before left; those of compression where a pool can. */
export function feltChanges(client: DemoClient, canCompress: boolean): readonly DemoChange[] {
  const own = client === 'nbd' ? mirrored : [];
  return [...changesFor(client), ...own, ...further, ...snapshots, ...(canCompress ? compressed : [])];
}
