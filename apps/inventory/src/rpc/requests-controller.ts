import { type CardSnapshot, type PoolSnapshot, rpc, subjects } from '@flexbso/contracts';
import { Rpc } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import { Inventory } from '../inventory.js';
import type { Page } from './paging.js';
import type { Request, ServiceRequests } from './service-requests.js';

const verbs = rpc.inventory;
const subject = (verb: keyof typeof verbs): string => subjects.rpc('inventory', verb);

/** What services ask of inventory, by its verbs. */
@Controller()
export class RequestsController {
  readonly #requests: ServiceRequests;

  constructor(@Inject(Inventory) inventory: Inventory) {
    this.#requests = inventory.services;
  }

  @Rpc(subject('list-cards'), verbs['list-cards'].request)
  listCards(request: Request<'list-cards'>): Page<CardSnapshot> {
    return this.#requests.listCards(request);
  }

  @Rpc(subject('get-card'), verbs['get-card'].request)
  getCard(request: Request<'get-card'>): CardSnapshot {
    return this.#requests.getCard(request);
  }

  @Rpc(subject('cordon-card'), verbs['cordon-card'].request)
  cordonCard(request: Request<'cordon-card'>): Promise<CardSnapshot> {
    return this.#requests.cordonCard(request);
  }

  @Rpc(subject('list-pools'), verbs['list-pools'].request)
  listPools(request: Request<'list-pools'>): Page<PoolSnapshot> {
    return this.#requests.listPools(request);
  }

  @Rpc(subject('get-pool'), verbs['get-pool'].request)
  getPool(request: Request<'get-pool'>): PoolSnapshot {
    return this.#requests.getPool(request);
  }

  @Rpc(subject('cordon-pool'), verbs['cordon-pool'].request)
  cordonPool(request: Request<'cordon-pool'>): Promise<PoolSnapshot> {
    return this.#requests.cordonPool(request);
  }

  @Rpc(subject('release-card'), verbs['release-card'].request)
  releaseCard(request: Request<'release-card'>): Promise<CardSnapshot> {
    return this.#requests.releaseCard(request);
  }

  @Rpc(subject('release-pool'), verbs['release-pool'].request)
  releasePool(request: Request<'release-pool'>): Promise<PoolSnapshot> {
    return this.#requests.releasePool(request);
  }

  @Rpc(subject('quarantine-agent'), verbs['quarantine-agent'].request)
  quarantineAgent(request: Request<'quarantine-agent'>): Promise<{ quarantined: boolean }> {
    return this.#requests.quarantineAgent(request);
  }
}
