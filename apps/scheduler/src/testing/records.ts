import type { BsoEvent } from '@flexbso/contracts';
import type { AgentRecord } from '../agents/agent-record.js';
import type { ChangeRecord } from '../changes/change-record.js';
import type { DesiredEntry } from '../desired/desired-entry.js';
import type { KeyRecord } from '../keys/key-record.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { ReservationRecord } from '../placement/reservation-record.js';
import { emptyPlan } from '../volumes/proposal.js';
import type { VolumeRecord, VolumeWant } from '../volumes/volume-record.js';

const volumeId = 'vol-0000000001';
const changeId = 'chg-0000000001';
const operationId = 'op-0000000001';
const want: VolumeWant = {
  labels: { tier: 'gold' },
  sizeBytes: 1024 ** 2,
  stack: { layers: [] },
  qos: null,
  placement: { policy: 'spread', spreadLegsOver: 'rack', spreadRequired: false },
  stackGeneration: 1,
  keyRef: null,
};

export function aVolumeRecord(over: Partial<VolumeRecord> = {}): VolumeRecord {
  return {
    volumeId,
    tenantId: 'acme',
    name: 'vol-a',
    protocol: 'nbd',
    cardId: 'card-1',
    functionId: 'vf-1',
    state: 'creating',
    generation: 1,
    appliedGeneration: 0,
    settledGeneration: 0,
    want,
    uri: null,
    changeId,
    cardOperationId: null,
    lastOutageUntilMs: null,
    formerCards: [],
    followUp: null,
    legFaults: [],
    snapshots: [],
    settledIn: null,
    createdAtMs: 1_700_000_000_123,
    ...over,
  };
}

export function aChangeRecord(over: Partial<ChangeRecord> = {}): ChangeRecord {
  return {
    changeId,
    volumeId,
    tenantId: 'acme',
    volumeName: 'vol-a',
    kind: 'create',
    differences: ['qos'],
    fromGeneration: 0,
    toGeneration: 1,
    state: 'preparing',
    plan: { ...emptyPlan, differences: ['qos'] },
    steps: [],
    progress: { doneBytes: 1, totalBytes: 2 },
    waitingFor: 'pool pool-1 to make leg-0000000001',
    waitingSinceMs: 5,
    overdue: { step: 'create-leg', limitMs: 10_000, sinceMs: 10_005 },
    paused: { cardId: null, by: 'bob', sinceMs: 4 },
    cancel: { by: 'alice', atMs: 6, outcome: null },
    due: { name: 'pool pool-1 0 create-leg', kind: 'create-leg', sinceMs: 5, limitMs: 10_000 },
    bytesCopied: 2 ** 41,
    problem: null,
    outage: { fromMs: 1, untilMs: 2, fromIsExact: true, guestMustReset: false, unflushedLost: true },
    requestedBy: 'alice',
    traceId: null,
    trace: { traceparent: 'x' },
    from: want,
    operationId: null,
    cardSettled: false,
    reverting: true,
    endsAs: 'undone',
    told: { 'card card-1 0 copy': 'done' },
    createdAtMs: 1_700_000_000_123,
    appliedAtMs: null,
    next: null,
    settledAtMs: null,
    ...over,
  };
}

export function aLegRecord(over: Partial<LegRecord> = {}): LegRecord {
  return {
    legId: 'leg-0000000001',
    volumeId,
    changeId,
    poolId: 'pool-1',
    position: 0,
    stackGeneration: 1,
    sizeBytes: 1024 ** 2,
    epoch: 1,
    holder: { cardId: 'card-1', sealingKey: `X${'A'.repeat(55)}` },
    state: 'creating',
    role: 'preparing',
    operationId,
    awaited: true,
    heldByCard: false,
    addressKind: 'nbd',
    address: null,
    access: null,
    ...over,
  };
}

export function aKeyRecord(): KeyRecord {
  return {
    keyRef: 'key-0000000001',
    volumeId,
    stackGeneration: 1,
    wrapped: 'd3JhcHBlZA==',
    sealed: { from: 'XA', sealed: 'cw==' },
    sealedTo: 'XB',
  };
}

export function aReservationRecord(): ReservationRecord {
  return {
    reservationId: volumeId,
    volumeId,
    ownerRole: 'card',
    ownerId: 'card-1',
    functionId: 'vf-1',
    labels: { tier: 'gold' },
    iops: 1,
    bytesPerSecond: 2 ** 36,
    memoryBytes: 3,
    armCentiCores: 4,
    capacityBytes: 0,
  };
}

export function anAgentRecord(over: Partial<AgentRecord> = {}): AgentRecord {
  return {
    role: 'card',
    agentId: 'card-1',
    revision: 1,
    seenRevision: 0,
    sessionId: null,
    sessionNumber: 1,
    diverged: null,
    follows: null,
    takesOver: null,
    ...over,
  };
}

export function aDesiredCardEntry(revision: number, itemId = volumeId): DesiredEntry {
  return {
    role: 'card',
    agentId: 'card-1',
    itemId,
    revision,
    item: {
      volumeId: itemId,
      revision,
      generation: 1,
      operationId,
      changeId,
      origin: 'person',
      tombstone: false,
      sizeBytes: 1024 ** 2,
      qos: null,
      export: { protocol: 'nbd', functionId: 'vf-1' },
      stack: {
        stackGeneration: 1,
        layers: [],
        encryptionKey: null,
        legs: [
          {
            legId: 'leg-0000000001',
            poolId: 'pool-1',
            epoch: 1,
            sizeBytes: 1024 ** 2,
            address: { kind: 'memory' },
            access: null,
          },
        ],
      },
      copyBytesPerSecond: 1,
      plan: emptyPlan.card,
      trace: {},
    },
  };
}

export function anEvent(): BsoEvent {
  return {
    v: 1,
    eventId: '018f2f60-0000-4000-8000-000000000aaa',
    kind: 'volume',
    id: volumeId,
    what: 'created',
    atMs: 1,
    by: 'alice',
    tenantId: 'acme',
    traceId: null,
    data: { name: 'vol-a' },
  };
}
