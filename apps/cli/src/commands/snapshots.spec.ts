import { snapshotSchema } from '@flexbso/contracts';
import { expect, it } from 'vitest';
import { snapshotLines } from './snapshots.js';

const taken = snapshotSchema.parse({
  snapshotId: 'snap-0123456789',
  volumeId: 'vol-0123456789',
  volumeName: 'db',
  name: 'monday',
  state: 'ready',
  sizeBytes: 256 * 1024 ** 2,
  stack: { layers: [{ kind: 'encryption', cipher: 'aes-xts-256' }] },
  keyRef: 'key-0123456789',
  stackGeneration: 2,
  legs: [
    { legId: 'leg-0000000002', poolId: 'pool-1', sizeBytes: 64 * 1024 ** 2, stackGeneration: 2 },
    { legId: 'leg-0000000001', poolId: 'pool-1', sizeBytes: 256 * 1024 ** 2, stackGeneration: 1 },
  ],
  format: 'overlay',
  reservations: [{ poolId: 'pool-1', capacityBytes: 320 * 1024 ** 2 }],
  changeId: 'chg-0123456789',
  createdAtMs: 0,
});

it('describes a snapshot: its key, its format, what it reserves, and which legs are its own', () => {
  const lines = snapshotLines(taken, (_style, text) => text).map((line) => line.replaceAll(/ {2,}/g, ' | ').trim());
  expect(lines).toContain('volume | db (vol-0123456789)');
  expect(lines).toContain('key | key-0123456789');
  expect(lines).toContain('reserves | 320MiB of pool-1');
  expect(lines.find((line) => line.startsWith('format'))).toContain('overlay: what its own legs do not hold');
  expect(lines).toContain('leg-0000000002 | pool-1 | 64MiB | 2 | yes');
  expect(lines).toContain('leg-0000000001 | pool-1 | 256MiB | 1 | no');
});
