import { type BsoEvent, eventSchema, subjects } from '@flexbso/contracts';
import { EventContext, FromEvents } from '@flexbso/messaging';
import { logger } from '@flexbso/observability';
import { Controller, Inject } from '@nestjs/common';
import { AuditTrail } from '../persistence/audit-trail.js';

const log = logger('audit');

/** Writes every event of the stream into the audit trail. */
@Controller()
export class EventsController {
  readonly #trail: AuditTrail;

  constructor(@Inject(AuditTrail) trail: AuditTrail) {
    this.#trail = trail;
  }

  @FromEvents(subjects.allEvents, eventSchema)
  async keep(event: BsoEvent, context: EventContext): Promise<void> {
    // The subject is what the bus lets a service publish; an event that says something else is not believed, and
    // delivering it again would not make it true.
    if (context.subject !== subjects.event(event.kind, event.id, event.what)) {
      log.error('event does not fit its subject and is not kept', {
        subject: context.subject,
        sequence: context.sequence,
      });
      return;
    }
    await this.#trail.add(event);
  }
}
