import type { ApiClient, Changed } from '../api/client.js';
import { changesFor } from '../demo/changes.js';
import type { DemoChange, DemoClient } from '../demo/changes.js';
import { legReplaced } from './self-heal.js';

const MiB = 1024 ** 2;
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

/** What the demo shows to nobody; they begin on any stack and end on one leg on the card's own pool. */
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
  legReplaced,
  { name: 'one leg again: pool-4', patch: { stack: { layers: [] }, placement: { poolIds: ['pool-4'] } } },
  // The one in the card's own host, where all have as much left.
  { name: 'moved to where placement prefers', patch: { placement: { poolIds: [] } } },
];

/** What NBD cannot tell a client. They begin on the card's own pool. */
const grown: readonly DemoChange[] = [
  { name: 'grown in place: 384 MiB', patch: { sizeBytes: 384 * MiB } },
  { name: 'mirrored, to be grown', patch: { stack: { layers: [mirror(false)] }, placement: threePools } },
  { name: 'grown by way of one leg, mirror: 448 MiB', patch: { sizeBytes: 448 * MiB } },
  {
    name: 'one leg once it has grown: pool-4',
    patch: { stack: { layers: [] }, placement: { poolIds: ['pool-4'] } },
  },
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

const taken = (name: string, snapshot: string): DemoChange => ({
  name,
  ask: (api, volumeId) => api.createSnapshot(volumeId, snapshot),
});
const deleted = (name: string, snapshot: string): DemoChange => ({
  name,
  ask: (api, volumeId) => api.deleteSnapshot(volumeId, snapshot),
});

/** They begin anywhere and end on one leg on pool-5. */
const snapshots: readonly DemoChange[] = [
  taken('snapshot taken', 'first'),
  taken('snapshot taken, upon another', 'second'),
  deleted('snapshot deleted that another lies on', 'first'),
  deleted('snapshot deleted, by writing back', 'second'),
  taken('snapshot taken, to be left behind', 'third'),
  { name: 'moved off its snapshot, flat: pool-5', patch: { placement: { poolIds: ['pool-5'] } } },
  deleted('snapshot deleted that nothing lies on, with its legs', 'third'),
];

/** Every kind of change that this client can be shown, each on what the one before left; those of compression where a pool can. */
export function feltChanges(client: DemoClient, canCompress: boolean): readonly DemoChange[] {
  const [own, last] = client === 'nbd' ? [mirrored, []] : [[], grown];
  return [...changesFor(client), ...own, ...further, ...last, ...snapshots, ...(canCompress ? compressed : [])];
}
