import { type Backup, type BsoEvent, ProblemError, type Restored } from '@flexbso/contracts';
import { restoredAgents } from '../agents/restored-agents.js';
import { randomUuid } from '../ids.js';
import type { Backups } from '../ports.js';
import { agentKey, type SchedulerContents } from '../store/memory-contents.js';
import type { SchedulerConnection } from '../store/memory-reader.js';
import { type MemoryStoreOptions, MemoryTransaction } from '../store/memory-store.js';
import type { IdempotentCall } from '../store/store.js';

interface KeptBackup {
  readonly backup: Backup;
  readonly contents: SchedulerContents;
}

/** Backups by name, as a folder that outlives the processes. */
export type MemoryBackupFolder = Map<string, KeptBackup>;

interface How<Reply> {
  readonly call: IdempotentCall<Reply>;
  readonly event: BsoEvent;
}

/** Copies of a scheduler's database in memory, for simulations. */
export class MemoryBackups implements Backups {
  readonly #connection: SchedulerConnection;
  readonly #options: MemoryStoreOptions;
  readonly #folder: MemoryBackupFolder;

  constructor(connection: SchedulerConnection, options: MemoryStoreOptions, folder: MemoryBackupFolder = new Map()) {
    this.#connection = connection;
    this.#options = options;
    this.#folder = folder;
  }

  async create(name: string, createdAtMs: number, { call, event }: How<Backup>): Promise<Backup> {
    const { contents } = this.#connection;
    const { incarnation } = contents;
    if (incarnation === null) throw new Error('a scheduler asks for its incarnation before anything else');
    const backup = { name, createdAtMs, incarnation, schemaVersion: 'memory', counts: {}, sizeBytes: 0 };
    const { reply } = await this.#once(call, async (_draft, tx) => {
      if (this.#folder.has(name))
        throw new ProblemError({
          code: 'name-taken',
          detail: `there is a backup ${name} already; choose another name`,
        });
      this.#folder.set(name, { backup, contents });
      await tx.enqueueEvents([event], {});
      return backup;
    });
    return reply;
  }

  list(): Promise<Backup[]> {
    const found = [...this.#folder.values()].map(({ backup }) => backup);
    return this.#connection.answer(found.toSorted((left, right) => right.createdAtMs - left.createdAtMs));
  }

  async restore(name: string, _nowMs: number, { call, event }: How<Restored>) {
    const kept = this.#folder.get(name);
    if (!kept) throw new ProblemError({ code: 'not-found', detail: `there is no backup ${name}` });
    const { backup, contents } = kept;
    const { reply, replayed } = await this.#once(call, async (draft, tx) => {
      const present = draft.agents.all();
      draft.replaceDecided(contents);
      for (const agent of restoredAgents(draft.agents.all(), present, backup.incarnation))
        draft.agents.put(agentKey(agent.role, agent.agentId), agent);
      const incarnation = randomUuid(this.#options.randomness);
      draft.incarnation = incarnation;
      await tx.enqueueEvents([{ ...event, data: { ...event.data, incarnation } }], {});
      return { backup, incarnation };
    });
    return { ...reply, replayed };
  }

  /** In one transaction with its kept reply. */
  #once<Reply>(
    call: IdempotentCall<Reply>,
    work: (draft: SchedulerContents, tx: MemoryTransaction) => Promise<Reply>,
  ): Promise<{ reply: Reply; replayed: boolean }> {
    return this.#connection.transaction(async (draft) => {
      await this.#options.fence(draft);
      const tx = new MemoryTransaction(this.#connection, draft);
      let replayed = true;
      const reply = await tx.idempotent(call, () => {
        replayed = false;
        return work(draft, tx);
      });
      return { reply, replayed };
    });
  }
}
