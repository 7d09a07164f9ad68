import { type DynamicModule, Module } from '@nestjs/common';
import { AuditTrail } from './persistence/audit-trail.js';
import { EventsController } from './audit/events-controller.js';
import { Measurements } from './measurements/measurements.js';
import { MeasurementsController } from './measurements/measurements-controller.js';
import { QueriesController } from './queries-controller.js';
import { SpanStore } from './persistence/span-store.js';

/** What is asked and told over core NATS. */
@Module({})
export class RequestsModule {
  static over(trail: AuditTrail, spans: SpanStore, measurements: Measurements): DynamicModule {
    return {
      module: RequestsModule,
      controllers: [QueriesController, MeasurementsController],
      providers: [
        { provide: AuditTrail, useValue: trail },
        { provide: SpanStore, useValue: spans },
        { provide: Measurements, useValue: measurements },
      ],
    };
  }
}

/** What comes from the event stream: a Nest application of its own, since each has one transport. */
@Module({})
export class EventsModule {
  static over(trail: AuditTrail): DynamicModule {
    return {
      module: EventsModule,
      controllers: [EventsController],
      providers: [{ provide: AuditTrail, useValue: trail }],
    };
  }
}
