import { describe, expect, it } from 'vitest';
import { agentConfigSchema } from './config.js';

const common = {
  id: 'pool-1',
  serial: 'serial-1',
  hostId: 'host-1',
  model: 'stand-in',
  failureDomain: { host: 'host-1', rack: 'rack-1' },
  nats: { servers: ['127.0.0.1:4222'], seedFile: '/etc/bso/pool-1.seed' },
  sealingSeedFile: '/var/lib/bso/sealing.seed',
  stateDirectory: '/var/lib/bso',
};
const qsd = {
  driver: 'qsd',
  qemuStorageDaemonPath: '/usr/bin/qemu-storage-daemon',
  runDirectory: '/run/bso',
  dataPlaneUser: null,
  directory: '/srv/legs',
  reach: 'host',
  budget: { capacityBytes: 1024 ** 3, iops: 1000, bytesPerSecond: 1_000_000 },
};
const pool = (dataPlane: object, more: object = {}) => ({ role: 'pool', ...common, dataPlane, ...more });
const refusedPaths = (config: object) =>
  agentConfigSchema.safeParse(config).error?.issues.map((issue) => issue.path.join('.'));

describe("an agent's configuration", () => {
  it("gives the data plane of a pool the agent's own id, and what was left out its default", () => {
    const config = agentConfigSchema.parse(pool(qsd));
    expect(config).toMatchObject({
      role: 'pool',
      labels: {},
      timings: { beatMs: 5_000, poolLookMs: 2_000 },
      dataPlane: { driver: 'qsd', poolId: 'pool-1', listen: null, maxOpenFiles: 1024 },
    });
  });

  it('refuses what the data plane of a pool would refuse, by the field that is wrong', () => {
    expect(refusedPaths(pool({ ...qsd, reach: 'network' }))).toEqual(['dataPlane.listen']);
    expect(refusedPaths(pool({ ...qsd, directory: 'legs', colour: 'blue' }))).toEqual([
      'dataPlane.directory',
      'dataPlane',
    ]);
  });

  it('refuses an unknown role, an unknown key and a relative path', () => {
    expect(refusedPaths({ ...pool(qsd), role: 'teapot' })).toEqual(['role']);
    expect(refusedPaths(pool({ driver: 'memory' }, { colour: 'blue', stateDirectory: 'state' }))).toEqual([
      'stateDirectory',
      '',
    ]);
    const nats = { ...common.nats, seedFile: 'pool-1.seed' };
    expect(refusedPaths(pool({ driver: 'memory' }, { nats }))).toEqual(['nats.seedFile']);
  });
});
