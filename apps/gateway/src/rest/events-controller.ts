import { ProblemError, rpc } from '@flexbso/contracts';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { EventFeed } from '../events/event-feed.js';
import { eventRoutes } from '../routes/event-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';

@Controller()
export class EventsController {
  readonly #services: Services;
  readonly #feed: EventFeed;

  constructor(@Inject(Services) services: Services, @Inject(EventFeed) feed: EventFeed) {
    this.#services = services;
    this.#feed = feed;
  }

  @Serve(eventRoutes.streamEvents)
  stream(@Call() call: CallOf<typeof eventRoutes.streamEvents>, @Res() reply: FastifyReply): void {
    const lastSequence = lastSequenceOf(call.headers['last-event-id']);
    this.#feed.assertRoom();
    const traceparent = reply.getHeader('traceparent');
    const headers: Record<string, string> = typeof traceparent === 'string' ? { traceparent } : {};
    // From here on the socket is the feed's.
    reply.hijack();
    const { kind, id } = call.query;
    this.#feed.open(reply.raw, headers, { kind, id, lastSequence, tenantId: call.caller.tenantId });
  }

  @Serve(eventRoutes.listAudit)
  audit(@Call() { caller, query }: CallOf<typeof eventRoutes.listAudit>) {
    return this.#services.ask('telemetry', 'list-events', rpc.telemetry['list-events'], { v: 1, caller, ...query });
  }
}

/** @throws ProblemError `invalid-request` for what no event of ours has as its id */
function lastSequenceOf(lastEventId: string | undefined): number | null {
  if (lastEventId === undefined || lastEventId === '') return null;
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  const message = 'Last-Event-ID is the id of an event that this stream gave: a number';
  throw new ProblemError({
    code: 'invalid-request',
    detail: message,
    errors: [{ path: 'header.last-event-id', message }],
  });
}
