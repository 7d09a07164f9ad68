import type { Wish } from './card-fixture.js';

const raid1 = { kind: 'raid1', legCount: 3 };
const safeRaid1 = { ...raid1, safeRead: true };

export interface Changed {
  readonly name: string;
  /** What the volume goes through before the change, with a write of its guest after each; none: there is no volume. */
  readonly before: readonly Wish[];
  readonly change: Wish;
}

export const changes: readonly Changed[] = [
  { name: 'create', before: [], change: {} },
  { name: 'create encrypted', before: [], change: { layers: [{ kind: 'encryption' }] } },
  { name: 'set limits', before: [{}], change: { qos: { iopsTotal: 500 } } },
  { name: 'lift limits', before: [{ qos: { iopsTotal: 500 } }], change: { qos: null } },
  { name: 'grow where it is', before: [{}], change: { sizeBytes: 128 * 1024 ** 2 } },
  {
    name: 'grow where it is, encrypted with limits',
    before: [{ qos: { iopsTotal: 500 }, layers: [{ kind: 'encryption' }] }],
    change: { sizeBytes: 128 * 1024 ** 2 },
  },
  {
    name: 'swap to encrypted with limits',
    before: [{ qos: { iopsTotal: 500 } }],
    change: { newStack: true, layers: [{ kind: 'encryption' }] },
  },
  { name: 're-key', before: [{ layers: [{ kind: 'encryption' }] }], change: { newStack: true } },
  {
    name: 'grow by a swap to encrypted with limits',
    before: [{ qos: { iopsTotal: 500 } }],
    change: { newStack: true, layers: [{ kind: 'encryption' }], sizeBytes: 128 * 1024 ** 2 },
  },
  {
    name: 'swap to compressed',
    before: [{ qos: { iopsTotal: 500 } }],
    change: { newStack: true, layers: [{ kind: 'compression' }, { kind: 'encryption' }] },
  },
  { name: 'encryption off', before: [{ layers: [{ kind: 'encryption' }] }], change: { newStack: true, layers: [] } },
  { name: 'from a mirror to one leg', before: [{ layers: [raid1] }], change: { newStack: true, layers: [] } },
  { name: 'safe reads on', before: [{ layers: [raid1] }], change: { newStack: true, layers: [safeRaid1] } },
  { name: 'safe reads off', before: [{ layers: [safeRaid1] }], change: { newStack: true, layers: [raid1] } },
  { name: 'swap to two legs', before: [{}], change: { newStack: true, layers: [{ kind: 'raid1' }] } },
  {
    name: 'take over from another card',
    before: [],
    change: { carried: true, layers: [{ kind: 'encryption' }, { kind: 'raid1', legCount: 3 }] },
  },
  { name: 'give up to another card', before: [{}], change: { tombstone: true, movedTo: 'card-2', origin: 'healing' } },
  { name: 'move to another function', before: [{ qos: { iopsTotal: 500 } }], change: { functionId: 'vf-1' } },
  {
    name: 'take a snapshot',
    before: [{ qos: { iopsTotal: 500 }, layers: [{ kind: 'encryption' }] }],
    change: { snapshot: true },
  },
  {
    name: 'take a second snapshot, of a mirror',
    before: [{ layers: [raid1] }, { snapshot: true }],
    change: { snapshot: true },
  },
  {
    name: 'delete the newest snapshot',
    before: [{ qos: { iopsTotal: 500 } }, { snapshot: true }],
    change: { writeBack: true },
  },
  {
    name: 'delete the newest of two snapshots',
    before: [{ layers: [{ kind: 'encryption' }] }, { snapshot: true }, { snapshot: true }],
    change: { writeBack: true },
  },
  { name: 'copy flat', before: [{}, { snapshot: true }], change: { newStack: true } },
  { name: 'clone', before: [], change: { upon: 'clone', layers: [{ kind: 'encryption' }] } },
  { name: 'attach after a roll back', before: [], change: { upon: 'rolled-back', layers: [raid1] } },
  { name: 'delete with a snapshot', before: [{}, { snapshot: true }], change: { tombstone: true } },
  { name: 'delete', before: [{ layers: [{ kind: 'encryption' }] }], change: { tombstone: true } },
];

/** For which a card takes no step: the volume goes on as it is. */
export const withoutSteps: readonly Changed[] = [
  { name: 'delete an older snapshot', before: [{}, { snapshot: true }, { snapshot: true }], change: {} },
];
