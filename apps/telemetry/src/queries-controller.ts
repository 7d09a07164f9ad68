import { type LegMeasurement, rpc, subjects, type Trace } from '@flexbso/contracts';
import { Rpc } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { Measurements } from './measurements/measurements.js';
import { AuditTrail, type EventsPage } from './persistence/audit-trail.js';
import { SpanStore } from './persistence/span-store.js';

const verbs = rpc.telemetry;
type Request<Verb extends keyof typeof verbs> = z.infer<(typeof verbs)[Verb]['request']>;

/** What services ask of telemetry. */
@Controller()
export class QueriesController {
  readonly #trail: AuditTrail;
  readonly #spans: SpanStore;

  readonly #measurements: Measurements;

  constructor(
    @Inject(AuditTrail) trail: AuditTrail,
    @Inject(SpanStore) spans: SpanStore,
    @Inject(Measurements) measurements: Measurements,
  ) {
    this.#trail = trail;
    this.#spans = spans;
    this.#measurements = measurements;
  }

  @Rpc(subjects.rpc('telemetry', 'list-events'), verbs['list-events'].request)
  listEvents(request: Request<'list-events'>): Promise<EventsPage> {
    return this.#trail.list(request);
  }

  @Rpc(subjects.rpc('telemetry', 'measured-legs'), verbs['measured-legs'].request)
  measuredLegs({ legIds }: Request<'measured-legs'>): { legs: (LegMeasurement & { poolId: string; atMs: number })[] } {
    return { legs: this.#measurements.legs(legIds) };
  }

  @Rpc(subjects.rpc('telemetry', 'get-trace'), verbs['get-trace'].request)
  getTrace({ traceId }: Request<'get-trace'>): Promise<Trace> {
    return this.#spans.trace(traceId);
  }
}
