import { type RegisterCard, registerCardSchema, registerPoolSchema } from '@flexbso/contracts';
import type { CardRecord } from '../agents/agent-record.js';
import type { KeptAgent } from '../agents/agent-store.js';

const sessionId = '018f2f60-0000-4000-8000-000000000001';

const common = {
  v: 1,
  sessionId,
  sessionNumber: 1,
  serial: 'MT0001',
  model: 'stand-in',
  agentVersion: '0.1.0',
  hostId: 'host-1',
  failureDomain: { host: 'host-1', rack: 'rack-1' },
  labels: {},
  dataPlane: { name: 'memory', version: '1' },
  capabilities: { has: [], lacks: [] },
  sealingKey: `X${'A'.repeat(55)}`,
};

/** As a card's agent registers. */
export function aCardRegistration(changes: Partial<RegisterCard> = {}): RegisterCard {
  return registerCardSchema.parse({
    ...common,
    functions: [{ functionId: 'vf-1', kind: 'vf', protocols: ['nbd'] }],
    budget: { iops: 1, bytesPerSecond: 1, memoryBytes: 1, armCentiCores: 1 },
    ...changes,
  });
}

const standing = {
  revision: 1,
  unreachableSinceMs: null,
  quarantineReason: null,
  offeredSealingKey: null,
  cordoned: false,
  registeredAtMs: 1_000,
};

/** A card as it is kept when it has just registered. */
export function aKeptCard(id: string, changes: Partial<CardRecord> = {}): KeptAgent {
  const registration = aCardRegistration({ serial: `serial of ${id}` });
  return { record: { role: 'card', id, registration, ...standing, ...changes }, lastHeardAtMs: 1_000 };
}

/** A pool of a machine whose card has the same serial. */
export function aKeptPool(id: string): KeptAgent {
  const budget = { capacityBytes: 1, iops: 1, bytesPerSecond: 1 };
  const registration = registerPoolSchema.parse({ ...common, serial: `serial of ${id}`, budget, reach: 'host' });
  return { record: { role: 'pool', id, registration, ...standing }, lastHeardAtMs: 1_000 };
}
