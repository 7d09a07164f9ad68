import { randomUUID } from 'node:crypto';
import { access, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Backup,
  backupNameSchema,
  type BsoEvent,
  MAX_BACKUPS_LISTED,
  ProblemError,
  type Restored,
  subjects,
} from '@flexbso/contracts';
import { enqueue, type Fence, idempotent, transaction, writeRows } from '@flexbso/persistence';
import type { DataSource, EntityManager } from 'typeorm';
import { restoredAgents } from '../agents/restored-agents.js';
import type { IdempotentCall } from '../store/store.js';
import type { Backups } from '../ports.js';
import { BackupWriter, readHeader, readRows, unusable } from '../backups/backup-file.js';
import { AgentRow, IncarnationRow } from './agent.entity.js';
import { checkedRow, countTables, replaceTables, tableRows } from './backup-tables.js';
import { schedulerMigrations } from './migrations.js';

const suffix = '.jsonl';
const partSuffix = '.part';
/** Oldest first. A backup of each of them can be restored: columns that came later are empty where they may be. */
const schemaVersions: readonly string[] = schedulerMigrations.map((Migration) => new Migration().name);

export interface BackupsOptions {
  readonly dataSource: DataSource;
  /** Refuses what is not the active scheduler's. */
  readonly fence: Fence;
  /** Where backups are; made with mode 0700 when there is none. */
  readonly folder: string;
  /** A file in the folder that is no backup: it is not listed. */
  readonly onUnusable: (file: string, error: unknown) => void;
}

/** Copies of the scheduler's own tables as files; SQLite's and PostgreSQL's are the same. */
export class TypeormBackups implements Backups {
  readonly #options: BackupsOptions;

  constructor(options: BackupsOptions) {
    this.#options = options;
  }

  async create(
    name: string,
    nowMs: number,
    { call, event }: { call: IdempotentCall<Backup>; event: BsoEvent },
  ): Promise<Backup> {
    const { dataSource, fence, folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // What a crash left; nobody else writes here while this scheduler is the active one.
    for (const file of await readdir(folder)) if (file.endsWith(partSuffix)) await rm(join(folder, file));
    const part = join(folder, `${name}${suffix}${partSuffix}`);
    // One snapshot for all tables. Without the fence, whose lock would keep the lease from being renewed for so long.
    const { writer, backup } = await transaction(dataSource, (manager) => this.#write(manager, part, name, nowMs), {
      isolation: 'SERIALIZABLE',
    });
    const keep = async (manager: EntityManager) => {
      const { response } = await idempotent(manager, idempotentOf(call), async () => {
        await this.#commit(writer, name);
        await publish(manager, event);
        return backup;
      });
      return response;
    };
    try {
      return await transaction(dataSource, keep, { fence });
    } finally {
      await rm(part, { force: true });
    }
  }

  async list(): Promise<Backup[]> {
    const { folder, onUnusable } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const found: Backup[] = [];
    for (const file of await newestFiles(folder)) {
      try {
        found.push(await readHeader(join(folder, file)));
      } catch (error) {
        onUnusable(file, error);
      }
    }
    return found.toSorted((left, right) => right.createdAtMs - left.createdAtMs);
  }

  async restore(name: string, nowMs: number, { call, event }: { call: IdempotentCall<Restored>; event: BsoEvent }) {
    const { dataSource, fence } = this.#options;
    const path = this.#pathOf(name);
    await this.#requireFile(path, name);
    const backup = await readHeader(path);
    if (!schemaVersions.includes(backup.schemaVersion))
      throw unusable(
        path,
        `it is of a newer version (${backup.schemaVersion}) than this scheduler (${schemaVersions.at(-1)})`,
      );
    const refuse = (why: string) => unusable(path, why);
    // All of it is read and compared before anything is touched.
    for await (const [table, row] of readRows(path)) checkedRow(dataSource, table, row, refuse);
    return transaction(dataSource, async (manager) => {
      const { response, replayed } = await idempotent(manager, idempotentOf(call), async () => {
        const present = await manager.find(AgentRow);
        await replaceTables(manager, readRows(path), refuse);
        const agents = restoredAgents(await manager.find(AgentRow), present, backup.incarnation);
        await writeRows(manager, AgentRow, agents, 'replace');
        const incarnation = randomUUID();
        await writeRows(manager, IncarnationRow, [{ one: 1, incarnation, createdAtMs: nowMs }], 'replace');
        await publish(manager, { ...event, data: { ...event.data, incarnation } });
        return { backup, incarnation };
      });
      // Last: its lock would keep the lease from being renewed while the rows are written.
      await fence(manager);
      return { ...response, replayed };
    });
  }

  async #write(manager: EntityManager, part: string, name: string, nowMs: number) {
    const incarnation = (await manager.findOneByOrFail(IncarnationRow, { one: 1 })).incarnation;
    const schemaVersion = schemaVersions.at(-1) ?? '';
    const facts = { name, createdAtMs: nowMs, incarnation, schemaVersion, counts: await countTables(manager) };
    await rm(part, { force: true });
    const writer = await BackupWriter.begin(part, facts);
    try {
      for await (const row of tableRows(manager)) await writer.row(row);
      return { writer, backup: { ...facts, sizeBytes: await writer.end() } };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  async #commit(writer: BackupWriter, name: string): Promise<void> {
    const path = this.#pathOf(name);
    if (await isThere(path))
      throw new ProblemError({ code: 'name-taken', detail: `there is a backup ${name} already; choose another name` });
    await writer.commit(path);
  }

  async #requireFile(path: string, name: string): Promise<void> {
    if (await isThere(path)) return;
    throw new ProblemError({ code: 'not-found', detail: `there is no backup ${name}: flexbso get backups lists them` });
  }

  #pathOf(name: string): string {
    return join(this.#options.folder, `${backupNameSchema.parse(name)}${suffix}`);
  }
}

function idempotentOf<Reply>({ scope, key, requestDigest, replySchema }: IdempotentCall<Reply>) {
  return { scope, key, requestDigest, responseSchema: replySchema };
}

async function publish(manager: EntityManager, event: BsoEvent): Promise<void> {
  const subject = subjects.event(event.kind, event.id, event.what);
  await enqueue(manager, { subject, payload: event, headers: {}, messageId: event.eventId });
}

/** As many as a list shows: there may be years of them. */
async function newestFiles(folder: string): Promise<string[]> {
  const files: { file: string; mtimeMs: number }[] = [];
  for (const file of await readdir(folder))
    if (file.endsWith(suffix)) files.push({ file, mtimeMs: (await stat(join(folder, file))).mtimeMs });
  const newest = files.toSorted((left, right) => right.mtimeMs - left.mtimeMs).slice(0, MAX_BACKUPS_LISTED);
  return newest.map(({ file }) => file);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
