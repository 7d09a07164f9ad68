import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backupSchema, type BsoEvent, type ProblemCode, ProblemError, restoredSchema } from '@flexbso/contracts';
import { type Database, databaseOptions, openDatabase, OutboxRow } from '@flexbso/persistence';
import { type PostgresServer, startPostgres } from '@flexbso/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TypeormBackups } from '../persistence/typeorm-backups.js';
import { schedulerDatabase, TypeormStore } from '../persistence/typeorm-store.js';
import type { StoreReader } from '../store/store.js';
import {
  aChangeRecord,
  aDesiredCardEntry,
  aKeyRecord,
  aLegRecord,
  anAgentRecord,
  anEvent,
  aReservationRecord,
  aVolumeRecord,
} from '../testing/records.js';

const nowMs = 1_700_000_000_000;
const leaseLost = new ProblemError({ code: 'fenced', detail: 'another scheduler is active' });

let postgres: PostgresServer;
let folder: string;
let opened: Database[];
let databases = 0;
let isFenced: boolean;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-backups-'));
  opened = [];
  isFenced = false;
});
afterEach(async () => {
  for (const database of opened) await database.destroy();
  await rm(folder, { recursive: true, force: true });
});

const urls: Record<string, () => Promise<string>> = {
  SQLite: async () => `sqlite://${join(folder, `scheduler-${(databases += 1)}.db`)}`,
  PostgreSQL: () => postgres.createDatabase(`backups_${(databases += 1)}`),
};

interface Side {
  readonly database: Database;
  readonly store: TypeormStore;
  readonly backups: TypeormBackups;
  /** Files that were not listed. */
  readonly unusable: string[];
}

async function fence(): Promise<void> {
  if (isFenced) throw leaseLost;
}

async function side(kind: string): Promise<Side> {
  const database = await openDatabase(databaseOptions((await urls[kind]?.()) ?? '', schedulerDatabase));
  opened.push(database);
  const unusable: string[] = [];
  const backups = new TypeormBackups({
    dataSource: database,
    fence,
    folder: join(folder, 'backups'),
    onUnusable: (file) => void unusable.push(file),
  });
  const store = new TypeormStore(database, fence);
  await store.incarnation();
  return { database, store, backups, unusable };
}

/** A volume with all that belongs to it, and more rows than one page has. */
async function fill({ store }: Side): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.putVolume(aVolumeRecord());
    await tx.putLeg(aLegRecord());
    await tx.putKey(aKeyRecord());
    await tx.putKey({ ...aKeyRecord(), keyRef: 'key-0000000002', wrapped: null });
    await tx.putReservation(aReservationRecord());
    for (let at = 0; at < 450; at += 1)
      await tx.putChange(aChangeRecord({ changeId: `chg-${String(at).padStart(10, '0')}`, createdAtMs: nowMs + at }));
    await tx.putAgent(anAgentRecord({ revision: 7, sessionId: 'one', follows: null }));
    await tx.putDesired(aDesiredCardEntry(7));
    await tx.enqueueEvents([anEvent()], {});
  });
}

const contents = ({ store }: Side) =>
  store.read(async (reader: StoreReader) => ({
    volumes: await reader.volumes(null, null, 10),
    legs: await reader.legsOf(aLegRecord().volumeId),
    keys: await reader.keysOf(aLegRecord().volumeId),
    reservations: await reader.reservations(),
    changes: await reader.changes({ tenantId: null, volumeId: null }, null, 1_000),
    desired: await reader.desired('card', 'card-1', 0),
  }));

const event = (what: string): BsoEvent => ({
  ...anEvent(),
  kind: 'service',
  id: 'scheduler',
  what,
  eventId: randomUUID(),
});
const call = <Reply>(replySchema: { parse(kept: unknown): Reply }, key: string = randomUUID()) => ({
  scope: 'root',
  key,
  requestDigest: 'same',
  replySchema,
});
const backUp = ({ backups }: Side, name = 'before', key?: string) =>
  backups.create(name, nowMs, { call: call(backupSchema, key), event: event('backed-up') });
const restore = ({ backups }: Side, name = 'before', key?: string) =>
  backups.restore(name, nowMs, { call: call(restoredSchema, key), event: event('restored') });

async function refusalOf(work: Promise<unknown>): Promise<{ code: ProblemCode; detail: string } | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
}

const whatEvents = async ({ database }: Side) =>
  (await database.manager.find(OutboxRow)).map(({ subject }) => subject.split('.').at(-1));

/** As the file ends when its lines are these. */
function ended(content: string[]): string {
  const body = `${content.join('\n')}\n`;
  return `${body}${JSON.stringify({ end: true, sha256: createHash('sha256').update(body).digest('hex') })}\n`;
}

describe.each([
  ['SQLite', 'PostgreSQL'],
  ['PostgreSQL', 'SQLite'],
])('a backup of %s', (from, into) => {
  it(`is one closed file that ${into} restores to the same, as another life`, async () => {
    const source = await side(from);
    await fill(source);
    const incarnation = await source.store.incarnation();
    const backup = await backUp(source);
    expect(backup).toMatchObject({ name: 'before', incarnation, counts: { volume: 1, change: 450 } });
    const path = join(folder, 'backups', 'before.jsonl');
    const { mode, size } = await stat(path);
    expect([mode & 0o777, size]).toEqual([0o600, backup.sizeBytes]);
    expect(await readdir(join(folder, 'backups'))).toEqual(['before.jsonl']);

    const target = await side(into);
    expect(await target.backups.list()).toEqual([backup]);
    await target.store.transaction((tx) => tx.putVolume(aVolumeRecord({ volumeId: 'vol-9999999999', name: 'later' })));
    const restored = await restore(target);
    expect(await contents(target)).toEqual(await contents(source));
    expect(await target.store.incarnation()).toBe(restored.incarnation);
    expect(restored.incarnation).not.toBe(incarnation);
    expect(await target.store.read((reader) => reader.agents())).toMatchObject([{ revision: 7, follows: incarnation }]);
    // What the copied life had to say is its own to say; only the restore itself is told.
    expect(await whatEvents(target)).toEqual(['restored']);
  });

  it('is restored once for one request, also when that is repeated after something was decided', async () => {
    const source = await side(from);
    await fill(source);
    await backUp(source, 'before', 'back-up');
    expect(await backUp(source, 'before', 'back-up')).toMatchObject({ name: 'before' });
    await copyFile(join(folder, 'backups', 'before.jsonl'), join(folder, 'backups', 'renamed.jsonl'));
    expect((await source.backups.list()).map(({ name }) => name).toSorted()).toEqual(['before', 'renamed']);
    await rm(join(folder, 'backups', 'renamed.jsonl'));
    expect((await refusalOf(backUp(source, 'before')))?.code).toBe('name-taken');
    const first = await restore(source, 'before', 'restore');
    await source.store.transaction((tx) => tx.putVolume(aVolumeRecord({ volumeId: 'vol-9999999999', name: 'later' })));
    expect(await restore(source, 'before', 'restore')).toEqual({ ...first, replayed: true });
    expect((await contents(source)).volumes).toHaveLength(2);
    expect(await readdir(join(folder, 'backups'))).toEqual(['before.jsonl']);
  });

  it('keeps which life agents follow, also of those that the copy does not know', async () => {
    const source = await side(from);
    await fill(source);
    await backUp(source);
    const since = { sessionId: 'two', sessionNumber: 9, seenRevision: 12, follows: 'some-life' };
    await source.store.transaction(async (tx) => {
      await tx.putAgent(anAgentRecord({ revision: 12, ...since }));
      await tx.putAgent(anAgentRecord({ role: 'pool', agentId: 'pool-9', revision: 3, ...since }));
    });
    await restore(source);
    const agents = await source.store.read((reader) => reader.agents());
    expect(agents).toEqual([
      anAgentRecord({ revision: 7, ...since }),
      anAgentRecord({ role: 'pool', agentId: 'pool-9', revision: 0, ...since }),
    ]);
  });

  it('is refused with its reason, and nothing changed, when it is damaged, foreign or newer', async () => {
    const source = await side(from);
    await fill(source);
    await backUp(source);
    const text = await readFile(join(folder, 'backups', 'before.jsonl'), 'utf8');
    const lines = text.trimEnd().split('\n');
    const changed = (line: number, replace: (line: string) => string) =>
      ended(lines.slice(0, -1).map((one, at) => (at === line ? replace(one) : one)));
    const damages: Record<string, [text: string, why: RegExp]> = {
      bit: [text.replace('"vol-a"', '"vol-b"'), /checksum/],
      torn: [text.slice(0, -200), /breaks off|end is missing|damaged/],
      short: [`${lines.slice(0, -1).join('\n')}\n`, /end is missing/],
      fewer: [ended(lines.slice(0, -2)), /rows of/],
      foreign: ['{"format":"something-else","v":1}\n', /no backup of a scheduler/],
      empty: ['', /empty/],
      newer: [changed(0, (line) => line.replace('"v":1', '"v":2')), /format 2/],
      schema: [
        changed(0, (line) => line.replace(/"schemaVersion":"\w+"/, '"schemaVersion":"FromTheFuture1"')),
        /newer version/,
      ],
      column: [changed(1, (line) => line.replace('"tenantId"', '"owner"')), /no column owner/],
      value: [changed(1, (line) => line.replace('"generation":1', '"generation":"x"')), /generation/],
    };
    await source.store.transaction((tx) => tx.putVolume(aVolumeRecord({ name: 'since' })));
    const before = [await contents(source), await source.store.incarnation()];
    for (const [name, [content, why]] of Object.entries(damages)) {
      await writeFile(join(folder, 'backups', `${name}.jsonl`), content);
      const refusal = await refusalOf(restore(source, name));
      expect({ name, ...refusal }).toMatchObject({ name, code: 'backup-unusable', detail: expect.stringMatching(why) });
    }
    expect((await refusalOf(restore(source, 'missing')))?.code).toBe('not-found');
    expect([await contents(source), await source.store.incarnation()]).toEqual(before);
    await source.backups.list();
    expect(source.unusable.toSorted()).toEqual(['empty.jsonl', 'foreign.jsonl', 'newer.jsonl']);
  });

  it('is neither made nor restored by a scheduler that was replaced', async () => {
    const source = await side(from);
    await fill(source);
    await backUp(source);
    const before = await contents(source);
    isFenced = true;
    expect((await refusalOf(backUp(source, 'another')))?.code).toBe('fenced');
    expect((await refusalOf(restore(source)))?.code).toBe('fenced');
    isFenced = false;
    expect(await contents(source)).toEqual(before);
    expect(await readdir(join(folder, 'backups'))).toEqual(['before.jsonl']);
  });
});
