import { type Plan, rpc, type Snapshot } from '@flexbso/contracts';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { snapshotRoutes } from '../routes/snapshot-routes.js';
import { Services } from '../services.js';
import { basedOnGenerationOf, idempotencyKeyOf, planDigestOf } from './request-headers.js';
import { type Accepted, accepted } from './volumes-controller.js';

const verbs = rpc.scheduler;

@Controller()
export class SnapshotsController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(snapshotRoutes.listSnapshots)
  list(@Call() { caller, query }: CallOf<typeof snapshotRoutes.listSnapshots>) {
    return this.#services.ask('scheduler', 'list-snapshots', verbs['list-snapshots'], { v: 1, caller, ...query });
  }

  @Serve(snapshotRoutes.listVolumeSnapshots)
  listOfVolume(@Call() { caller, params }: CallOf<typeof snapshotRoutes.listVolumeSnapshots>) {
    return this.#services.ask('scheduler', 'list-snapshots', verbs['list-snapshots'], { v: 1, caller, ...params });
  }

  @Serve(snapshotRoutes.getSnapshot)
  get(@Call() { caller, params }: CallOf<typeof snapshotRoutes.getSnapshot>): Promise<Snapshot> {
    return this.#services.ask('scheduler', 'get-snapshot', verbs['get-snapshot'], { v: 1, caller, ...params });
  }

  @Serve(snapshotRoutes.createSnapshot)
  async create(
    @Call() { caller, params, query, body, headers }: CallOf<typeof snapshotRoutes.createSnapshot>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const based = { basedOnGeneration: basedOnGenerationOf(headers) };
    const payload = { v: 1 as const, caller, ...params, ...based, spec: body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-create-snapshot', verbs['plan-create-snapshot'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    const request = { ...payload, ...write };
    return accepted(reply, await this.#services.ask('scheduler', 'create-snapshot', verbs['create-snapshot'], request));
  }

  @Serve(snapshotRoutes.rollbackVolume)
  async rollback(
    @Call() { caller, params, query, body, headers }: CallOf<typeof snapshotRoutes.rollbackVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers), ...body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-rollback', verbs['plan-rollback'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    const request = { ...payload, ...write };
    return accepted(reply, await this.#services.ask('scheduler', 'rollback-volume', verbs['rollback-volume'], request));
  }

  @Serve(snapshotRoutes.deleteSnapshot)
  async delete(
    @Call() { caller, params, query, headers }: CallOf<typeof snapshotRoutes.deleteSnapshot>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers) };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-delete-snapshot', verbs['plan-delete-snapshot'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    const request = { ...payload, ...write };
    return accepted(reply, await this.#services.ask('scheduler', 'delete-snapshot', verbs['delete-snapshot'], request));
  }
}
