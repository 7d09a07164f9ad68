import {
  backupSchema,
  cardSnapshotSchema,
  changeSchema,
  checkReportSchema,
  divergenceSchema,
  restoredSchema,
  settledSchema,
  eventSchema,
  pauseListSchema,
  planSchema,
  poolSnapshotSchema,
  traceSchema,
  volumePatchSchema,
  snapshotSchema,
  volumeSchema,
  volumeSpaceSchema,
  volumeSpecSchema,
} from '@flexbso/contracts';

/** Examples of the document. Parsed when the module loads: an example that does not fit its schema stops the gateway. */

const atMs = 1_760_000_000_000;
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const qos = { iopsTotal: 5_000 };
const room = { capacityBytes: 0, iops: 0, bytesPerSecond: 0, memoryBytes: 16_777_216, armCentiCores: 0 };

const registered = {
  v: 1,
  sessionId: '018f2f60-0000-4000-8000-000000000001',
  sessionNumber: 1,
  model: 'stand-in',
  agentVersion: '0.1.0',
  labels: { tier: 'gold' },
  dataPlane: { name: 'qsd', version: '10.0.2' },
  sealingKey: `X${'A'.repeat(55)}`,
  revision: 1,
  state: 'ready',
  quarantineReason: null,
  unreachableSinceMs: null,
  cordoned: false,
  registeredAtMs: atMs,
  lastHeardAtMs: atMs,
};

export const cardExample = cardSnapshotSchema.parse({
  ...registered,
  cardId: 'card-a',
  serial: 'STANDIN-A',
  hostId: 'host-a',
  failureDomain: { host: 'host-a', rack: 'rack-1' },
  capabilities: {
    has: [{ name: 'swap-live' }, { name: 'qos' }, { name: 'encryption', limits: { headerBytes: 2_097_152 } }],
    lacks: [{ name: 'raid0', reason: 'qemu-storage-daemon 10.0.2 has no striping driver: use a card with SPDK' }],
  },
  functions: [{ functionId: 'vf-1', kind: 'vf', protocols: ['nbd', 'virtio-blk'] }],
  budget: { iops: 200_000, bytesPerSecond: 4_000_000_000, memoryBytes: 8_589_934_592, armCentiCores: 800 },
});

export const poolExample = poolSnapshotSchema.parse({
  ...registered,
  poolId: 'target-d',
  serial: 'TARGET-D',
  hostId: 'host-d',
  failureDomain: { host: 'host-d', rack: 'rack-4' },
  capabilities: { has: [{ name: 'leg.nbd' }], lacks: [] },
  budget: { capacityBytes: 10_737_418_240, iops: 100_000, bytesPerSecond: 2_000_000_000 },
  reach: 'network',
});

const leg = {
  legId: 'leg-0123456789',
  poolId: 'target-d',
  sizeBytes: 268_435_456,
  epoch: 1,
  stackGeneration: 1,
  state: 'ready',
  current: true,
};

export const volumeSpecExample = volumeSpecSchema.parse({
  name: 'db',
  labels: { app: 'shop' },
  sizeBytes: 268_435_456,
  protocol: 'nbd',
});

export const volumePatchExample = volumePatchSchema.parse({ qos });

export const volumeExample = volumeSchema.parse({
  ...volumeSpecExample,
  volumeId: 'vol-0123456789',
  tenantId: 'default',
  keyRef: null,
  qos,
  state: 'ready',
  generation: 2,
  appliedGeneration: 2,
  settledGeneration: 2,
  cardId: 'card-a',
  functionId: 'vf-1',
  legs: [leg],
  legFaults: [],
  degraded: null,
  formerCards: [],
  uri: 'nbd+unix:///vol-0123456789?socket=/run/flexbso/card-a/vol-0123456789.nbd',
  changeId: 'chg-0123456789',
  queuedChangeId: 'chg-0123456780',
  createdAtMs: atMs,
});

export const snapshotExample = snapshotSchema.parse({
  snapshotId: 'snap-0123456789',
  volumeId: 'vol-0123456789',
  volumeName: 'db',
  name: 'before-upgrade',
  state: 'ready',
  sizeBytes: 268_435_456,
  stack: { layers: [] },
  keyRef: null,
  stackGeneration: 1,
  legs: [{ legId: leg.legId, poolId: leg.poolId, sizeBytes: leg.sizeBytes, stackGeneration: 1 }],
  format: 'flat',
  reservations: [{ poolId: leg.poolId, capacityBytes: leg.sizeBytes }],
  changeId: 'chg-0123456789',
  createdAtMs: atMs,
});

export const volumeSpaceExample = volumeSpaceSchema.parse({
  volumeId: 'vol-0123456789',
  legs: [
    {
      legId: leg.legId,
      poolId: leg.poolId,
      sizeBytes: leg.sizeBytes,
      allocatedBytes: 48_234_496,
      uncompressedBytes: 134_217_728,
      measuredAtMs: atMs,
    },
  ],
  savedBytes: 85_983_232,
});

export const planExample = planSchema.parse({
  steps: [
    {
      actor: { role: 'card', id: 'card-a' },
      volumeId: 'vol-0123456789',
      step: { kind: 'set-limits', from: null, to: qos },
      undo: 'set-limits',
      cutOver: false,
      destroys: [],
      does: 'Set limits: iopsTotal 5000 (were: unlimited).',
      expectedSeconds: 0.05,
    },
  ],
  digest: 'a'.repeat(64),
  card: { digest: 'b'.repeat(64), cutOver: false, destroys: [] },
  cutOverIndex: null,
  destroys: [],
  bytesToCopy: 0,
  expectedSeconds: 0.05,
  reservations: [
    {
      owner: { role: 'card', id: 'card-a' },
      functionId: 'vf-1',
      before: { ...room, armCentiCores: 1 },
      during: { ...room, iops: 5_000, armCentiCores: 18 },
      after: { ...room, iops: 5_000, armCentiCores: 18 },
    },
  ],
  grows: null,
  lacks: [],
  guestFeels: 'its limits become: iopsTotal 5000',
});

export const changeExample = changeSchema.parse({
  changeId: 'chg-0123456789',
  volumeId: 'vol-0123456789',
  kind: 'change',
  differences: ['qos'],
  fromGeneration: 1,
  toGeneration: 2,
  state: 'settled',
  plan: planExample,
  steps: [
    {
      actor: { role: 'card', id: 'card-a' },
      index: 0,
      kind: 'set-limits',
      outcome: 'done',
      startedAtMs: atMs,
      endedAtMs: atMs + 4,
    },
  ],
  progress: null,
  waitingFor: null,
  waitingSinceMs: null,
  bytesCopied: 0,
  problem: null,
  outage: null,
  requestedBy: 'alice',
  traceId,
  createdAtMs: atMs,
  appliedAtMs: atMs + 9,
  settledAtMs: atMs + 9,
});

export const cancelledChangeExample = changeSchema.parse({
  ...changeExample,
  state: 'undone',
  steps: [],
  problem: { code: 'cancelled', detail: 'alice cancelled it before its cut-over' },
  cancel: { by: 'alice', atMs: atMs + 2, outcome: 'undone' },
  appliedAtMs: null,
});

const fleetPause = { cardId: null, by: 'alice', sinceMs: atMs };
export const pausesExample = pauseListSchema.parse({ items: [fleetPause, { ...fleetPause, cardId: 'card-a' }] });

export const traceExample = traceSchema.parse({
  traceId,
  spans: [
    {
      traceId,
      spanId: '00f067aa0ba902b7',
      parentSpanId: null,
      service: 'gateway',
      name: 'PATCH /v1/volumes/:volume',
      kind: 'server',
      startMs: atMs,
      endMs: atMs + 7.5,
      error: null,
      attributes: { 'http.request.method': 'PATCH' },
    },
  ],
  orphanSpanIds: [],
});

export const eventExample = eventSchema.parse({
  v: 1,
  eventId: 'evt-0123456789',
  kind: 'change',
  id: 'chg-0123456789',
  what: 'applied',
  atMs,
  by: 'alice',
  tenantId: 'default',
  traceId,
  data: { volumeId: 'vol-0123456789', generation: 2 },
});

export const checkExample = checkReportSchema.parse({
  v: 1,
  atMs,
  volumes: 2,
  legs: 2,
  agents: 8,
  underWay: 1,
  differences: [{ where: 'pool pool-1', id: 'leg-0123456789', what: 'it is here and is not recorded' }],
  differenceCount: 1,
});

const incarnation = '018f2f60-0000-4000-8000-0000000000ff';
export const backupExample = backupSchema.parse({
  name: 'before-upgrade',
  createdAtMs: atMs,
  incarnation: '018f2f60-0000-4000-8000-0000000000fe',
  schemaVersion: 'SettledLives1763950000000',
  counts: { volume: 1, leg: 1 },
  sizeBytes: 6_502,
});
export const restoredExample = restoredSchema.parse({ backup: backupExample, incarnation });
export const divergenceExample = divergenceSchema.parse({
  v: 1,
  incarnation,
  following: 7,
  unheard: [],
  agents: [{ role: 'card', id: 'card-1', failure: null, differences: 1 }],
  volumes: [
    {
      volumeId: 'vol-0123456789',
      name: null,
      since: 'created',
      cardId: 'card-1',
      differences: [
        {
          where: 'card card-1',
          id: 'vol-0123456789',
          what: 'it runs here at generation 1 and is not recorded: created since',
        },
      ],
      adopt: {
        can: true,
        what: 'the books take over generation 1 on card-1, which stands on leg-0123456789 on pool-1',
      },
      delete: { can: true, what: 'it ends on card-1; deleted for good: leg-0123456789 on pool-1' },
    },
  ],
  volumeCount: 1,
});
export const settledExample = settledSchema.parse({
  settled: [{ volumeId: 'vol-0123456789', changeId: 'chg-0123456789', how: 'adopted' }],
  refused: [],
  following: [{ role: 'card', id: 'card-1' }],
});

export const pageExample = (item: unknown) => ({ items: [item], nextPageToken: null });
