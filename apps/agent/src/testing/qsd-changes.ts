import type { CardStepKind } from '@flexbso/contracts';
import { type QsdWish, SIZE_BYTES } from './qsd-card.js';

const encryption = { kind: 'encryption' } as const;
export const limits = { iopsTotal: 20_000 };

export interface QsdChanged {
  readonly name: string;
  /** What the volume goes through before it, with writes of its guest after each; none: there is no volume. */
  readonly before: readonly QsdWish[];
  readonly change: QsdWish;
  /** The kinds of steps that this change stands for. */
  readonly kinds: readonly CardStepKind[];
}

const plainChanges: readonly QsdChanged[] = [
  {
    name: 'create encrypted',
    before: [],
    change: { layers: [encryption], qos: limits },
    kinds: ['start-data-plane', 'open-leg', 'format-encryption', 'open-encryption', 'build-head', 'export-volume'],
  },
  { name: 'set limits', before: [{}], change: { qos: limits }, kinds: ['set-limits'] },
  {
    name: 'swap to a remote pool, encrypted, with limits',
    before: [{ qos: limits }],
    change: { newStack: true, layers: [encryption], reach: 'network' },
    kinds: ['widen-limits', 'copy', 'cut-over', 'restore-limits', 'close-stack'],
  },
  {
    name: 'grow by a swap',
    before: [{ protocol: 'virtio-blk' }],
    change: { newStack: true, sizeBytes: 2 * SIZE_BYTES },
    kinds: ['build-window', 'grow-head'],
  },
  {
    name: 'swap to a mirror',
    before: [{}],
    change: { newStack: true, layers: [{ kind: 'raid1', legCount: 3 }] },
    kinds: ['build-redundancy'],
  },
  { name: 'delete', before: [{}], change: { tombstone: true }, kinds: ['unexport-volume', 'stop-data-plane'] },
];

const snapshotChanges: readonly QsdChanged[] = [
  {
    name: 'take a snapshot',
    before: [{ qos: limits }],
    change: { snapshot: true },
    kinds: ['format-overlay', 'build-overlay', 'cut-over'],
  },
  {
    name: 'delete the newest snapshot',
    before: [{ qos: limits }, { snapshot: true }],
    change: { writeBack: true },
    kinds: ['copy', 'cut-over', 'close-stack'],
  },
  {
    name: 'clone, encrypted',
    before: [{ layers: [encryption] }, { snapshot: true }],
    change: { upon: 'clone' },
    kinds: ['format-overlay', 'build-overlay'],
  },
  {
    name: 'attach after a roll back',
    before: [{}, { snapshot: true }, { tombstone: true }],
    change: { upon: 'rolled-back' },
    kinds: ['format-overlay', 'build-head'],
  },
];

/** Together they have every kind of step that this data plane does. */
export const qsdChanges: readonly QsdChanged[] = [...plainChanges, ...snapshotChanges];

const raid1 = { kind: 'raid1', legCount: 3 } as const;
const safeRaid1 = { ...raid1, safeRead: true } as const;

/** Other ways between stacks, of the same steps. */
const otherChanges: readonly QsdChanged[] = [
  { name: 'lift limits', before: [{ qos: limits }], change: { qos: null }, kinds: [] },
  {
    name: 'grow where it is',
    before: [{ protocol: 'virtio-blk' }],
    change: { sizeBytes: 2 * SIZE_BYTES },
    kinds: [],
  },
  {
    name: 'grow where it is, encrypted with limits',
    before: [{ protocol: 'virtio-blk', layers: [encryption], qos: limits }],
    change: { sizeBytes: 2 * SIZE_BYTES },
    kinds: [],
  },
  { name: 're-key', before: [{ layers: [encryption] }], change: { newStack: true }, kinds: [] },
  { name: 'encryption off', before: [{ layers: [encryption] }], change: { newStack: true, layers: [] }, kinds: [] },
  {
    name: 'from a mirror to one leg',
    before: [{ layers: [raid1] }],
    change: { newStack: true, layers: [] },
    kinds: [],
  },
  { name: 'safe reads on', before: [{ layers: [raid1] }], change: { newStack: true, layers: [safeRaid1] }, kinds: [] },
  { name: 'safe reads off', before: [{ layers: [safeRaid1] }], change: { newStack: true, layers: [raid1] }, kinds: [] },
  { name: 'move to another function', before: [{ qos: limits }], change: { functionId: 'fn-2' }, kinds: [] },
];

/** Of which a few moments say enough, or that have no step of their own: in the whole product alone. */
export const moreQsdChanges: readonly QsdChanged[] = [
  ...otherChanges,
  {
    name: 'take a second snapshot, of an encrypted mirror on a remote pool',
    before: [{ layers: [encryption, { kind: 'raid1', legCount: 3 }] }, { snapshot: true }],
    change: { snapshot: true, reach: 'network' },
    kinds: [],
  },
  {
    name: 'delete the newest of two snapshots, encrypted',
    before: [{ layers: [encryption] }, { snapshot: true }, { snapshot: true }],
    change: { writeBack: true },
    kinds: [],
  },
  { name: 'delete an older snapshot', before: [{}, { snapshot: true }, { snapshot: true }], change: {}, kinds: [] },
  { name: 'copy flat', before: [{}, { snapshot: true }], change: { newStack: true }, kinds: [] },
];
