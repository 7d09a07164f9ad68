import { type Backup, type BsoEvent, type Caller, ProblemError, type Restored, rpc } from '@flexbso/contracts';
import { canonicalDigest } from '@flexbso/stack';
import type { z } from 'zod';
import type { Decisions } from '../decisions.js';
import { randomUuid } from '../ids.js';

const verbs = rpc.scheduler;
type Request<V extends keyof typeof verbs> = z.infer<(typeof verbs)[V]['request']>;

/** Copies of the database, and the way back to one. They are of all tenants, so only an admin without one asks. */
export class BackupRequests {
  readonly #decisions: Decisions;
  readonly #onRestored: () => Promise<void>;

  /** @param onRestored takes up what the restored books say, once nobody sees the old ones any more */
  constructor(decisions: Decisions, onRestored: () => Promise<void>) {
    this.#decisions = decisions;
    this.#onRestored = onRestored;
  }

  create(request: Request<'create-backup'>): Promise<Backup> {
    assertAdmin(request.caller);
    const { backups, clock } = this.#decisions.ports;
    const nowMs = clock.nowMs();
    const name = request.name ?? `backup-${new Date(nowMs).toISOString().toLowerCase().replaceAll(/[:.]/g, '-')}`;
    const call = this.#call('create-backup', request, [request.name ?? null], verbs['create-backup'].reply);
    const event = this.#event('backed-up', request.caller, name);
    // Between decisions: what is decided meanwhile would wait for the database anyway, and with it for a deadline.
    return this.#decisions.alone(() => backups.create(name, nowMs, { call, event }));
  }

  async list({ caller }: Request<'list-backups'>): Promise<{ items: Backup[] }> {
    assertAdmin(caller);
    return { items: await this.#decisions.ports.backups.list() };
  }

  async restore(request: Request<'restore-backup'>): Promise<Restored> {
    assertAdmin(request.caller);
    const { backups, clock, relay } = this.#decisions.ports;
    const { name, caller } = request;
    const call = this.#call('restore-backup', request, [name], verbs['restore-backup'].reply);
    const event = this.#event('restored', caller, name);
    const { replayed, ...restored } = await this.#decisions.replace(() =>
      backups.restore(name, clock.nowMs(), { call, event }),
    );
    relay.wake();
    if (!replayed) await this.#onRestored();
    return restored;
  }

  #call<Reply>(
    verb: string,
    { caller, idempotencyKey }: { caller: Caller; idempotencyKey: string },
    body: readonly unknown[],
    replySchema: { parse(kept: unknown): Reply },
  ) {
    const scope = JSON.stringify([caller.tenantId, caller.name]);
    return { scope, key: idempotencyKey, requestDigest: canonicalDigest([verb, ...body]), replySchema };
  }

  #event(what: string, { name: by }: Caller, name: string): BsoEvent {
    const { randomness, clock } = this.#decisions.ports;
    const about = { kind: 'service' as const, id: 'scheduler', what, by, tenantId: null, traceId: null };
    return { v: 1, eventId: randomUuid(randomness), ...about, atMs: clock.nowMs(), data: { backup: name } };
  }
}

/** @throws ProblemError `forbidden` */
export function assertAdmin({ name, role, tenantId }: Caller): void {
  if (role === 'admin' && tenantId === null) return;
  throw new ProblemError({
    code: 'forbidden',
    detail: `${name} may not: the database is of all tenants, so this takes the role admin and a token of no tenant`,
  });
}
