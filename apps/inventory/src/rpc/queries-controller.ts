import { type AgentRole, type CardSnapshot, type Labels, type PoolSnapshot, rpc, subjects } from '@flexbso/contracts';
import { Rpc } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { cardSnapshotOf, poolSnapshotOf } from '../agents/agent-record.js';
import type { KeptAgent } from '../agents/agent-store.js';
import { Fleet } from '../agents/fleet.js';
import { pageOf, type Page } from './paging.js';

const verbs = rpc.inventory;
type Request<Verb extends keyof typeof verbs> = z.infer<(typeof verbs)[Verb]['request']>;
const subject = (verb: keyof typeof verbs): string => subjects.rpc('inventory', verb);

/** What services ask of inventory. Who may ask for what was decided at the door, by the caller's token. */
@Controller()
export class QueriesController {
  readonly #fleet: Fleet;

  constructor(@Inject(Fleet) fleet: Fleet) {
    this.#fleet = fleet;
  }

  @Rpc(subject('list-cards'), verbs['list-cards'].request)
  listCards(request: Request<'list-cards'>): Page<CardSnapshot> {
    return pageOf(this.#select('card', request.labels).map(cardOf), request, (card) => card.cardId);
  }

  @Rpc(subject('get-card'), verbs['get-card'].request)
  getCard({ cardId }: Request<'get-card'>): CardSnapshot {
    return cardOf(this.#fleet.get({ role: 'card', id: cardId }));
  }

  @Rpc(subject('cordon-card'), verbs['cordon-card'].request)
  async cordonCard({ cardId, cordoned, caller }: Request<'cordon-card'>): Promise<CardSnapshot> {
    return cardOf(await this.#fleet.cordon({ role: 'card', id: cardId }, cordoned, caller.name));
  }

  @Rpc(subject('list-pools'), verbs['list-pools'].request)
  listPools(request: Request<'list-pools'>): Page<PoolSnapshot> {
    return pageOf(this.#select('pool', request.labels).map(poolOf), request, (pool) => pool.poolId);
  }

  @Rpc(subject('get-pool'), verbs['get-pool'].request)
  getPool({ poolId }: Request<'get-pool'>): PoolSnapshot {
    return poolOf(this.#fleet.get({ role: 'pool', id: poolId }));
  }

  @Rpc(subject('cordon-pool'), verbs['cordon-pool'].request)
  async cordonPool({ poolId, cordoned, caller }: Request<'cordon-pool'>): Promise<PoolSnapshot> {
    return poolOf(await this.#fleet.cordon({ role: 'pool', id: poolId }, cordoned, caller.name));
  }

  @Rpc(subject('release-card'), verbs['release-card'].request)
  async releaseCard({ cardId, caller }: Request<'release-card'>): Promise<CardSnapshot> {
    return cardOf(await this.#fleet.release({ role: 'card', id: cardId }, caller.name));
  }

  @Rpc(subject('release-pool'), verbs['release-pool'].request)
  async releasePool({ poolId, caller }: Request<'release-pool'>): Promise<PoolSnapshot> {
    return poolOf(await this.#fleet.release({ role: 'pool', id: poolId }, caller.name));
  }

  @Rpc(subject('quarantine-agent'), verbs['quarantine-agent'].request)
  async quarantineAgent({ role, id, reason, by }: Request<'quarantine-agent'>): Promise<{ quarantined: boolean }> {
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
