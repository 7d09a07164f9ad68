import { TracingInterceptor } from '@flexbso/observability/nest';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { EventFeed } from './events/event-feed.js';
import { AnswerTrace } from './problems/answer-trace.js';
import { ProblemFilter } from './problems/problem-filter.js';
import { BackupsController } from './rest/backups-controller.js';
import { CardsController } from './rest/cards-controller.js';
import { ChangesController } from './rest/changes-controller.js';
import { CheckController } from './rest/check-controller.js';
import { EventsController } from './rest/events-controller.js';
import { OwnController, OwnState } from './rest/own-controller.js';
import { PausesController } from './rest/pauses-controller.js';
import { PoolsController } from './rest/pools-controller.js';
import { SnapshotsController } from './rest/snapshots-controller.js';
import { VolumesController } from './rest/volumes-controller.js';
import { Services } from './services.js';
import { TokenBook } from './tokens/token-book.js';
import { TokenGuard } from './tokens/token-guard.js';

/** What the door rests on. */
export interface GatewayParts {
  readonly services: Services;
  readonly tokens: TokenBook;
  readonly feed: EventFeed;
  readonly state: OwnState;
}

@Module({})
export class GatewayModule {
  static over({ services, tokens, feed, state }: GatewayParts): DynamicModule {
    return {
      module: GatewayModule,
      controllers: [
        CardsController,
        PoolsController,
        PausesController,
        VolumesController,
        SnapshotsController,
        ChangesController,
        CheckController,
        BackupsController,
        EventsController,
        OwnController,
      ],
      providers: [
        { provide: Services, useValue: services },
        { provide: TokenBook, useValue: tokens },
        { provide: EventFeed, useValue: feed },
        { provide: OwnState, useValue: state },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_GUARD, useClass: TokenGuard },
        // In this order: the answer's header is the span's that the first one opens.
        { provide: APP_INTERCEPTOR, useClass: TracingInterceptor },
        { provide: APP_INTERCEPTOR, useClass: AnswerTrace },
      ],
    };
  }
}
