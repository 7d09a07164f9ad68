import { rpc, subjects, type Trace } from '@flexbso/contracts';
import { Rpc } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { AuditTrail, type EventsPage } from './persistence/audit-trail.js';
import { SpanStore } from './persistence/span-store.js';

const verbs = rpc.telemetry;
type Request<Verb extends keyof typeof verbs> = z.infer<(typeof verbs)[Verb]['request']>;

/** What services ask of telemetry. */
@Controller()
export class QueriesController {
  readonly #trail: AuditTrail;
  readonly #spans: SpanStore;

  constructor(@Inject(AuditTrail) trail: AuditTrail, @Inject(SpanStore) spans: SpanStore) {
    this.#trail = trail;
    this.#spans = spans;
  }

  @Rpc(subjects.rpc('telemetry', 'list-events'), verbs['list-events'].request)
  listEvents(request: Request<'list-events'>): Promise<EventsPage> {
    return this.#trail.list(request);
  }

  @Rpc(subjects.rpc('telemetry', 'get-trace'), verbs['get-trace'].request)
  getTrace({ traceId }: Request<'get-trace'>): Promise<Trace> {
    return this.#spans.trace(traceId);
  }
}
