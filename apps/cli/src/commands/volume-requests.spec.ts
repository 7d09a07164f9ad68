import { volumeSchema } from '@flexbso/contracts';
import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { type LimitsByName, limitOption } from './context.js';
import { changeRequest, createRequest } from './volume-requests.js';

const volume = volumeSchema.parse({
  volumeId: 'vol-0123456789',
  tenantId: 'default',
  name: 'db',
  labels: { app: 'shop' },
  sizeBytes: 1_048_576,
  protocol: 'nbd',
  stack: { layers: [{ kind: 'compression' }, { kind: 'raid1' }] },
  qos: { iopsRead: 5, iopsWrite: 6, bytesPerSecondTotal: 4096 },
  placement: {},
  state: 'ready',
  generation: 3,
  appliedGeneration: 3,
  settledGeneration: 3,
  cardId: 'card-a',
  functionId: 'vf-1',
  legs: [],
  legFaults: [],
  snapshots: [],
  standsOn: null,
  lost: false,
  formerCards: [],
  uri: null,
  changeId: null,
  queuedChangeId: null,
  createdAtMs: 0,
});
const patchOf = (options: Parameters<typeof changeRequest>[1]) => changeRequest(volume, options).body;

describe('a change', () => {
  it('is based on the generation that was read, and names the volume by its id', () => {
    expect(changeRequest(volume, { size: 5 })).toMatchObject({
      method: 'PATCH',
      path: '/v1/volumes/vol-0123456789',
      headers: { 'if-match': '"3"' },
      body: { sizeBytes: 5 },
    });
  });

  it('puts encryption beneath compression and above redundancy, and takes it out again', () => {
    const { layers } = volume.stack;
    const [compression, raid1] = layers;
    const encryption = { kind: 'encryption', cipher: 'aes-xts-256' };
    expect(patchOf({ encryption: 'on' })).toEqual({ stack: { layers: [compression, encryption, raid1] } });
    expect(patchOf({ encryption: 'off' })).toEqual({ stack: { layers } });
  });

  it('takes compression off the top and puts it there, and leaves to the scheduler who does it', () => {
    const [, raid1] = volume.stack.layers;
    expect(patchOf({ compression: 'off' })).toEqual({ stack: { layers: [raid1] } });
    expect(patchOf({ compression: 'on' })).toEqual({ stack: { layers: volume.stack.layers } });
    const plain = { ...volume, stack: { layers: [] } };
    expect(changeRequest(plain, { compression: 'on' }).body).toEqual({
      stack: { layers: [{ kind: 'compression', algorithm: 'zstd' }] },
    });
  });

  it('mirrors it over other legs, or over none, beneath what is there, together with encryption too', () => {
    const [compression] = volume.stack.layers;
    const raid1 = { kind: 'raid1', legCount: 3, safeRead: false };
    expect(patchOf({ raid1: 3 })).toEqual({ stack: { layers: [compression, raid1] } });
    expect(patchOf({ raid1: null })).toEqual({ stack: { layers: [compression] } });
    const encryption = { kind: 'encryption', cipher: 'aes-xts-256' };
    expect(patchOf({ raid1: 3, encryption: 'on' })).toEqual({ stack: { layers: [compression, encryption, raid1] } });
  });

  it('has the reads of a mirror checked, or no more, whatever else of it changes', () => {
    const [compression] = volume.stack.layers;
    const safe = (legCount: number, safeRead: boolean) => ({
      stack: { layers: [compression, { kind: 'raid1', legCount, safeRead }] },
    });
    expect(patchOf({ safeRead: 'on' })).toEqual(safe(2, true));
    expect(patchOf({ raid1: 3, safeRead: 'on' })).toEqual(safe(3, true));
    expect(patchOf({ safeRead: 'off' })).toEqual(safe(2, false));
    expect(() => patchOf({ raid1: null, safeRead: 'on' })).toThrow('--raid1');
    expect(() => createRequest('a', { size: 1, safeRead: true })).toThrow('--raid1');
  });

  it('replaces what is limited of one unit, and leaves the other', () => {
    expect(patchOf({ iops: 9 })).toEqual({ qos: { iopsTotal: 9, bytesPerSecondTotal: 4096 } });
    expect(patchOf({ bandwidth: null })).toEqual({ qos: { iopsRead: 5, iopsWrite: 6 } });
    expect(patchOf({ iops: null, bandwidth: null })).toEqual({ qos: null });
  });

  it('replaces limits that are named by themselves, each alone', () => {
    expect(patchOf({ limit: { iopsRead: 7, iopsReadBurst: 9, iopsWrite: null } })).toEqual({
      qos: { iopsRead: 7, iopsReadBurst: 9, bytesPerSecondTotal: 4096 },
    });
    expect(patchOf({ iops: null, limit: { iopsTotal: 8, iopsTotalBurst: 16 } })).toEqual({
      qos: { iopsTotal: 8, iopsTotalBurst: 16, bytesPerSecondTotal: 4096 },
    });
    expect(createRequest('a', { size: 1, limit: { bytesPerSecondWrite: 4096 } }).body).toMatchObject({
      qos: { bytesPerSecondWrite: 4096 },
    });
    const read = ['iopsRead=7', 'bytesPerSecondWriteBurst=1MiB', 'iopsWrite=none'];
    const limit = read.reduce<LimitsByName>((before, text) => limitOption(text, before), {});
    expect(limit).toEqual({ iopsRead: 7, bytesPerSecondWriteBurst: 1024 ** 2, iopsWrite: null });
    for (const wrong of ['iops=7', 'iopsRead', 'iopsRead=7=8', 'iopsRead=7MiB', 'bytesPerSecondRead=x'])
      expect(() => limitOption(wrong)).toThrow(InvalidArgumentError);
  });

  it('adds labels to those that are there', () => {
    expect(patchOf({ label: { tier: 'gold' } })).toEqual({ labels: { app: 'shop', tier: 'gold' } });
  });

  it('replaces the key that the volume has, and no other', () => {
    const keyed = { ...volume, keyRef: 'key-0123456789' };
    expect(changeRequest(keyed, { rekey: true }).body).toEqual({ rekey: { from: 'key-0123456789' } });
    expect(() => patchOf({ rekey: true })).toThrow('volume db is not encrypted');
  });

  it('moves it to named pools, or, where none is named, to where placement prefers', () => {
    expect(patchOf({ pool: ['pool-2'] })).toEqual({ placement: { poolIds: ['pool-2'] } });
    expect(patchOf({ anyPool: true })).toEqual({ placement: { poolIds: [] } });
  });

  it('of nothing is refused', () => {
    expect(() => patchOf({})).toThrow('say what to change');
  });
});

describe('a new volume', () => {
  it('asks for nothing that was not given', () => {
    expect(createRequest('db', { size: 5 }).body).toEqual({ name: 'db', sizeBytes: 5 });
  });
});
