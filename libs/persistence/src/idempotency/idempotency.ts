import { ProblemError } from '@flexbso/contracts';
import { Column, Entity, type EntityManager } from 'typeorm';
import { instantColumn, jsonColumn } from '../columns.js';

/** A request that was answered, and the answer. */
@Entity('idempotency_keys')
export class IdempotencyKey {
  /** Within what the key is unique: the tenant. */
  @Column({ type: 'text', primary: true })
  scope!: string;

  @Column({ type: 'text', primary: true })
  key!: string;

  @Column('text')
  requestDigest!: string;

  @jsonColumn({ nullable: true })
  response!: unknown;

  @instantColumn()
  createdAtMs!: number;
}

export interface IdempotentRequest<Response> {
  readonly scope: string;
  /** The client's `Idempotency-Key`. */
  readonly key: string;
  /** A digest of method, path and body: what "the same request" means. */
  readonly requestDigest: string;
  /** The response's schema (zod): a kept response is parsed, since an older version may have written it. */
  readonly responseSchema: { parse(kept: unknown): Response };
}

/**
 * Runs `work` once for a key and keeps its response; the same request again gets the kept response. Part of the
 * caller's transaction: when `work` fails and the transaction rolls back, the key is free again. Two at once: the
 * second waits for the first.
 *
 * @param work makes a JSON value without secrets.
 * @returns the response, and whether it was kept from before.
 * @throws ProblemError `idempotency-key-reused` when the key was used with another request.
 */
export async function idempotent<Response>(
  manager: EntityManager,
  request: IdempotentRequest<Response>,
  work: () => Promise<Response>,
): Promise<{ response: Response; replayed: boolean }> {
  const { scope, key, requestDigest } = request;
  const claimed: unknown[] = await manager.sql`
    INSERT INTO "idempotency_keys" ("scope", "key", "requestDigest", "createdAtMs")
    VALUES (${scope}, ${key}, ${requestDigest}, ${Date.now()}) ON CONFLICT DO NOTHING RETURNING "key"`;
  if (claimed.length === 0) return { response: await kept(manager, request), replayed: true };
  const response = await work();
  await manager.sql`
    UPDATE "idempotency_keys" SET "response" = ${JSON.stringify(response ?? null)} WHERE "scope" = ${scope} AND "key" = ${key}`;
  return { response, replayed: false };
}

async function kept<Response>(manager: EntityManager, request: IdempotentRequest<Response>): Promise<Response> {
  const { scope, key, requestDigest, responseSchema } = request;
  const row = await manager.findOneByOrFail(IdempotencyKey, { scope, key });
  if (row.requestDigest === requestDigest) return responseSchema.parse(row.response);
  throw new ProblemError({
    code: 'idempotency-key-reused',
    detail: 'This Idempotency-Key was used with another request; send a new key with a new request.',
  });
}
