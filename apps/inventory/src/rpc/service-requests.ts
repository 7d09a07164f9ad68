import type { AgentRole, CardSnapshot, Labels, PoolSnapshot, rpc } from '@flexbso/contracts';
import type { z } from 'zod';
import { cardSnapshotOf, poolSnapshotOf } from '../agents/agent-record.js';
import type { KeptAgent } from '../agents/agent-store.js';
import type { Fleet } from '../agents/fleet.js';
import { pageOf, type Page } from './paging.js';

type Verbs = typeof rpc.inventory;
export type Request<Verb extends keyof Verbs> = z.infer<Verbs[Verb]['request']>;

/** What services ask of inventory. Who may ask for what was decided at the door, by the caller's token. */
export class ServiceRequests {
  readonly #fleet: Fleet;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  listCards(request: Request<'list-cards'>): Page<CardSnapshot> {
    return pageOf(this.#select('card', request.labels).map(cardOf), request, (card) => card.cardId);
  }

  getCard({ cardId }: Request<'get-card'>): CardSnapshot {
    return cardOf(this.#fleet.get({ role: 'card', id: cardId }));
  }

  async cordonCard({ cardId, cordoned, caller }: Request<'cordon-card'>): Promise<CardSnapshot> {
    return cardOf(await this.#fleet.cordon({ role: 'card', id: cardId }, cordoned, caller.name));
  }

  listPools(request: Request<'list-pools'>): Page<PoolSnapshot> {
    return pageOf(this.#select('pool', request.labels).map(poolOf), request, (pool) => pool.poolId);
  }

  getPool({ poolId }: Request<'get-pool'>): PoolSnapshot {
    return poolOf(this.#fleet.get({ role: 'pool', id: poolId }));
  }

  async cordonPool({ poolId, cordoned, caller }: Request<'cordon-pool'>): Promise<PoolSnapshot> {
    return poolOf(await this.#fleet.cordon({ role: 'pool', id: poolId }, cordoned, caller.name));
  }

  async releaseCard({ cardId, caller }: Request<'release-card'>): Promise<CardSnapshot> {
    return cardOf(await this.#fleet.release({ role: 'card', id: cardId }, caller.name));
  }

  async releasePool({ poolId, caller }: Request<'release-pool'>): Promise<PoolSnapshot> {
    return poolOf(await this.#fleet.release({ role: 'pool', id: poolId }, caller.name));
  }

  /** @param seen `by`: the service that saw it */
  async quarantineAgent(seen: Pick<Request<'quarantine-agent'>, 'role' | 'id' | 'reason'> & { by: string }) {
    const { role, id, reason, by } = seen;
    // An agent that never registered has no standing to lose; it was not answered either.
    if (!this.#fleet.find({ role, id })) return { quarantined: false };
    await this.#fleet.quarantine({ role, id }, reason, by);
    return { quarantined: true };
  }

  #select(role: AgentRole, selector: Labels = {}): KeptAgent[] {
    const wanted = Object.entries(selector);
    const fits = ({ record }: KeptAgent) =>
      record.role === role && wanted.every(([key, value]) => record.registration.labels[key] === value);
    return this.#fleet.all().filter(fits);
  }
}

function cardOf({ record, lastHeardAtMs }: KeptAgent): CardSnapshot {
  if (record.role !== 'card') throw new TypeError(`${record.role} ${record.id} is not a card`);
  return cardSnapshotOf(record, lastHeardAtMs);
}

function poolOf({ record, lastHeardAtMs }: KeptAgent): PoolSnapshot {
  if (record.role !== 'pool') throw new TypeError(`${record.role} ${record.id} is not a pool`);
  return poolSnapshotOf(record, lastHeardAtMs);
}
