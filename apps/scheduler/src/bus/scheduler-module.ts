import { type DynamicModule, Module } from '@nestjs/common';
import { Scheduler } from '../scheduler.js';
import { AgentsController } from './agents-controller.js';
import { RequestsController } from './requests-controller.js';

/** What is heard on the bus, over a scheduler that was loaded before. */
@Module({})
export class SchedulerModule {
  static over(scheduler: Scheduler): DynamicModule {
    return {
      module: SchedulerModule,
      controllers: [AgentsController, RequestsController],
      providers: [{ provide: Scheduler, useValue: scheduler }],
    };
  }
}
