import { expect, test } from 'vitest';
import { qsdCardConfigSchema, qsdPoolConfigSchema } from './config.js';

const launch = {
  qemuStorageDaemonPath: '/usr/bin/qemu-storage-daemon',
  runDirectory: '/run/flexbso',
  dataPlaneUser: null,
};
const pool = {
  ...launch,
  poolId: 'pool-1',
  directory: '/srv/pool',
  reach: 'network',
  budget: { capacityBytes: 1, iops: 1, bytesPerSecond: 1 },
};

test('a run directory whose sockets would not fit into a socket address is refused', () => {
  const card = { ...launch, functions: [], budget: { iops: 1, bytesPerSecond: 1, memoryBytes: 1, armCentiCores: 1 } };
  expect(qsdCardConfigSchema.safeParse(card).success).toBe(true);
  expect(
    qsdCardConfigSchema.safeParse({ ...card, runDirectory: `/${'r'.repeat(80)}` }).error?.issues[0]?.message,
  ).toMatch(/107/);
  expect(qsdCardConfigSchema.safeParse({ ...card, runDirectory: 'run' }).error?.issues[0]?.message).toBe(
    'an absolute path',
  );
});

test('a pool that is reached over the network needs ports to listen on, in order', () => {
  expect(qsdPoolConfigSchema.safeParse(pool).error?.issues[0]?.path).toEqual(['listen']);
  const listen = { host: '127.0.0.1', firstPort: 20, lastPort: 10 };
  expect(qsdPoolConfigSchema.safeParse({ ...pool, listen }).error?.issues[0]?.path).toEqual(['listen', 'lastPort']);
  expect(qsdPoolConfigSchema.safeParse({ ...pool, listen: { ...listen, lastPort: 30 } }).success).toBe(true);
});

test('an unknown key is refused, not ignored', () => {
  expect(
    qsdPoolConfigSchema
      .safeParse({ ...pool, listn: null })
      .error?.issues.some(({ code }) => code === 'unrecognized_keys'),
  ).toBe(true);
});
