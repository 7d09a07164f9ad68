import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Span } from '@flexbso/contracts';
import { type Database, databaseOptions, openDatabase } from '@flexbso/persistence';
import { startPostgres } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditTrail } from './audit-trail.js';
import { EventRow } from './event-entity.js';
import { Retention } from './retention.js';
import { TelemetryTables } from './telemetry-migration.js';
import { SpanRow } from './span-entity.js';
import { SpanStore } from './span-store.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const dayMs = 86_400_000;

function span(n: number): Span {
  const spanId = String(n).padStart(16, '0');
  return {
    traceId,
    spanId,
    parentSpanId: null,
    service: 's',
    name: 'n',
    kind: 'internal',
    startMs: n,
    endMs: n,
    error: null,
    attributes: {},
  };
}

describe.each(['sqlite', 'postgres'] as const)('retention on %s', (kind) => {
  let database: Database;
  let spans: SpanStore;
  let trail: AuditTrail;
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flexbso-retention-'));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    let url = `sqlite://${folder}/telemetry.db`;
    if (kind === 'postgres') {
      const server = await startPostgres();
      closing.push(() => server.stop());
      ({ url } = server);
    }
    const contents = { entities: [EventRow, SpanRow], migrations: [TelemetryTables], schema: 'telemetry' };
    database = await openDatabase(databaseOptions(url, contents));
    closing.push(() => database.destroy());
    spans = new SpanStore(database, { onFailed: () => undefined });
    trail = new AuditTrail(database);
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  it('keeps the newest of each, as many as it may', async () => {
    spans.take(Array.from({ length: 1_200 }, (_, n) => span(n + 1)));
    await spans.flush();
    for (let n = 0; n < 5; n += 1) {
      const common = {
        v: 1,
        kind: 'card',
        id: 'card-1',
        what: 'updated',
        by: 'card-1',
        tenantId: null,
        traceId: null,
      } as const;
      await trail.add({ ...common, eventId: `e${n}`, atMs: Date.now() - (n === 0 ? 2 * dayMs : 0), data: {} });
    }
    const retention = new Retention(database, {
      spans: { maxCount: 10, keepMs: dayMs },
      audit: { maxCount: 3, keepMs: dayMs },
    });
    await retention.prune(Date.now());
    expect((await spans.trace(traceId)).spans.map(({ startMs }) => startMs)).toEqual([
      1191, 1192, 1193, 1194, 1195, 1196, 1197, 1198, 1199, 1200,
    ]);
    expect(await database.manager.count(EventRow)).toBe(3);
  });

  it('answers the beginning of a trace that is too long', async () => {
    const long = 'a'.repeat(32);
    const all = Array.from({ length: 5_100 }, (_, n) => ({ ...span(n + 1), traceId: long }));
    spans.take(all.toReversed());
    const trace = await spans.trace(long);
    expect(trace.truncated).toBe(true);
    expect(trace.spans.length).toBeLessThanOrEqual(5_000);
    expect(trace.spans.map(({ startMs }) => startMs)).toEqual(trace.spans.map((_, n) => n + 1));
  });

  it('deletes what is too old', async () => {
    const retention = new Retention(database, {
      spans: { maxCount: 10, keepMs: dayMs },
      audit: { maxCount: 3, keepMs: dayMs },
    });
    await retention.prune(Date.now() + 2 * dayMs);
    expect([await database.manager.count(SpanRow), await database.manager.count(EventRow)]).toEqual([0, 0]);
  });
});
