import { type Change, ProblemError, rpc, type Trace } from '@flexbso/contracts';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { volumeRoutes } from '../routes/volume-routes.js';
import { Services } from '../services.js';
import { idempotencyKeyOf } from './request-headers.js';

const verbs = rpc.scheduler;

@Controller()
export class ChangesController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(volumeRoutes.listChanges)
  list(@Call() { caller, query }: CallOf<typeof volumeRoutes.listChanges>) {
    return this.#services.ask('scheduler', 'list-changes', verbs['list-changes'], { v: 1, caller, ...query });
  }

  @Serve(volumeRoutes.getChange)
  get(@Call() { caller, params }: CallOf<typeof volumeRoutes.getChange>): Promise<Change> {
    return this.#services.ask('scheduler', 'get-change', verbs['get-change'], { v: 1, caller, ...params });
  }

  @Serve(volumeRoutes.cancelChange)
  async cancel(
    @Call() { caller, params, headers }: CallOf<typeof volumeRoutes.cancelChange>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Change> {
    const payload = { v: 1 as const, caller, idempotencyKey: idempotencyKeyOf(headers), ...params };
    const change = await this.#services.ask('scheduler', 'cancel-change', verbs['cancel-change'], payload);
    reply.header('location', `/v1/changes/${change.changeId}`);
    return change;
  }

  /** The scheduler is asked first: whose change it is decides who may see its trace. */
  @Serve(volumeRoutes.getChangeTrace)
  async trace(@Call() call: CallOf<typeof volumeRoutes.getChangeTrace>): Promise<Trace> {
    const { changeId, traceId } = await this.get(call);
    if (traceId === null) {
      throw new ProblemError({ code: 'not-found', detail: `${changeId} was begun by no request and has no trace` });
    }
    const payload = { v: 1 as const, caller: call.caller, traceId };
    return this.#services.ask('telemetry', 'get-trace', rpc.telemetry['get-trace'], payload);
  }
}
