import type { Wish } from './card-fixture.js';

/** What the volume is before the change, and the change. */
export const changes: readonly { name: string; before: Wish | null; change: Wish }[] = [
  { name: 'create', before: null, change: {} },
  { name: 'create encrypted', before: null, change: { layers: [{ kind: 'encryption' }] } },
  { name: 'set limits', before: {}, change: { qos: { iopsTotal: 500 } } },
  {
    name: 'swap to encrypted with limits',
    before: { qos: { iopsTotal: 500 } },
    change: { newStack: true, layers: [{ kind: 'encryption' }] },
  },
  { name: 're-key', before: { layers: [{ kind: 'encryption' }] }, change: { newStack: true } },
  {
    name: 'grow by a swap to encrypted with limits',
    before: { qos: { iopsTotal: 500 } },
    change: { newStack: true, layers: [{ kind: 'encryption' }], sizeBytes: 128 * 1024 ** 2 },
  },
  { name: 'swap to two legs', before: {}, change: { newStack: true, layers: [{ kind: 'raid1' }] } },
  {
    name: 'take over from another card',
    before: null,
    change: { carried: true, layers: [{ kind: 'encryption' }, { kind: 'raid1', legCount: 3 }] },
  },
  { name: 'give up to another card', before: {}, change: { tombstone: true, movedTo: 'card-2', origin: 'healing' } },
  { name: 'move to another function', before: { qos: { iopsTotal: 500 } }, change: { functionId: 'vf-1' } },
  { name: 'delete', before: { layers: [{ kind: 'encryption' }] }, change: { tombstone: true } },
];
