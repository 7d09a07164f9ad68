import { type Change, type Plan, rpc, type Volume, type VolumeSpace } from '@flexbso/contracts';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { volumeRoutes } from '../routes/volume-routes.js';
import { Services } from '../services.js';
import { spaceOf } from './volume-space.js';
import { basedOnGenerationOf, idempotencyKeyOf, planDigestOf } from './request-headers.js';

const verbs = rpc.scheduler;
export interface Accepted {
  readonly volume: Volume;
  readonly change: Change;
}

@Controller()
export class VolumesController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(volumeRoutes.listVolumes)
  list(@Call() { caller, query }: CallOf<typeof volumeRoutes.listVolumes>) {
    return this.#services.ask('scheduler', 'list-volumes', verbs['list-volumes'], { v: 1, caller, ...query });
  }

  @Serve(volumeRoutes.getVolume)
  async get(
    @Call() { caller, params }: CallOf<typeof volumeRoutes.getVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Volume> {
    const volume = await this.#services.ask('scheduler', 'get-volume', verbs['get-volume'], {
      v: 1,
      caller,
      ...params,
    });
    reply.header('etag', etagOf(volume));
    return volume;
  }

  @Serve(volumeRoutes.getVolumeSpace)
  async space(@Call() { caller, params }: CallOf<typeof volumeRoutes.getVolumeSpace>): Promise<VolumeSpace> {
    const volume = await this.#services.ask('scheduler', 'get-volume', verbs['get-volume'], {
      v: 1,
      caller,
      ...params,
    });
    // What they are was asked on the caller's behalf: telemetry knows no tenants.
    const legIds = volume.legs.map(({ legId }) => legId);
    const schemas = rpc.telemetry['measured-legs'];
    const { legs } = await this.#services.ask('telemetry', 'measured-legs', schemas, { v: 1, caller, legIds });
    return spaceOf(volume, legs);
  }

  @Serve(volumeRoutes.createVolume)
  async create(
    @Call() { caller, query, body, headers }: CallOf<typeof volumeRoutes.createVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, spec: body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-create', verbs['plan-create'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'create-volume', verbs['create-volume'], { ...payload, ...write }),
    );
  }

  @Serve(volumeRoutes.changeVolume)
  async change(
    @Call() { caller, params, query, body, headers }: CallOf<typeof volumeRoutes.changeVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const basedOnGeneration = basedOnGenerationOf(headers);
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration, patch: body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-change', verbs['plan-change'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'change-volume', verbs['change-volume'], { ...payload, ...write }),
    );
  }

  @Serve(volumeRoutes.failoverVolume)
  async failover(
    @Call() { caller, params, query, body, headers }: CallOf<typeof volumeRoutes.failoverVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers), ...body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-failover', verbs['plan-failover'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'failover-volume', verbs['failover-volume'], { ...payload, ...write }),
    );
  }

  @Serve(volumeRoutes.detachVolume)
  async detach(
    @Call() { caller, params, query, headers }: CallOf<typeof volumeRoutes.detachVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers) };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-detach', verbs['plan-detach'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'detach-volume', verbs['detach-volume'], { ...payload, ...write }),
    );
  }

  @Serve(volumeRoutes.attachVolume)
  async attach(
    @Call() { caller, params, query, body, headers }: CallOf<typeof volumeRoutes.attachVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers), ...body };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-attach', verbs['plan-attach'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'attach-volume', verbs['attach-volume'], { ...payload, ...write }),
    );
  }

  @Serve(volumeRoutes.deleteVolume)
  async delete(
    @Call() { caller, params, query, headers }: CallOf<typeof volumeRoutes.deleteVolume>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Accepted | Plan> {
    const payload = { v: 1 as const, caller, ...params, basedOnGeneration: basedOnGenerationOf(headers) };
    if (query.dryRun) {
      reply.status(200);
      return this.#services.ask('scheduler', 'plan-delete', verbs['plan-delete'], payload);
    }
    const write = { idempotencyKey: idempotencyKeyOf(headers), ...planDigestOf(headers) };
    return accepted(
      reply,
      await this.#services.ask('scheduler', 'delete-volume', verbs['delete-volume'], { ...payload, ...write }),
    );
  }
}

const etagOf = (volume: Volume) => `"${volume.generation}"`;

export function accepted(reply: FastifyReply, answer: Accepted): Accepted {
  reply.status(202).header('location', `/v1/changes/${answer.change.changeId}`).header('etag', etagOf(answer.volume));
  return answer;
}
