import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BsoEvent } from '@flexbso/contracts';
import { type Database, databaseOptions, openDatabase } from '@flexbso/persistence';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AuditTrail, maxGathered } from './audit-trail.js';
import { EventRow } from './event-entity.js';
import { TelemetryTables } from './telemetry-migration.js';

let folder: string;
let database: Database;
let trail: AuditTrail;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-audit-'));
  const contents = { entities: [EventRow], migrations: [TelemetryTables], schema: 'telemetry' };
  database = await openDatabase(databaseOptions(`sqlite://${folder}/telemetry.db`, contents));
  trail = new AuditTrail(database);
});
afterEach(async () => {
  await database.destroy();
  await rm(folder, { recursive: true, force: true });
});

function event(n: number, atMs = n): BsoEvent {
  return {
    v: 1,
    eventId: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    kind: 'card',
    id: 'card-1',
    what: 'ready',
    atMs,
    by: 'somebody',
    tenantId: null,
    traceId: null,
    data: {},
  };
}

const kept = async () => (await trail.list({ pageSize: 1_000 })).items.map(({ atMs }) => atMs).toReversed();

it('keeps all events that come together, each once, however many', async () => {
  const numbers = Array.from({ length: 2 * maxGathered + 3 }, (_, n) => n);
  await Promise.all([...numbers, 1, 2].map((n) => trail.add(event(n))));
  expect(await kept()).toEqual(numbers);
});

it('an event that the database does not take costs none of those that came with it', async () => {
  const outcomes = await Promise.allSettled([trail.add(event(1)), trail.add(event(2, 0.5)), trail.add(event(3))]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await kept()).toEqual([1, 3]);
});
