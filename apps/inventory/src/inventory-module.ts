import { type DynamicModule, Module } from '@nestjs/common';
import { Fleet } from './agents/fleet.js';
import { AgentsController, LeaseTerms } from './rpc/agents-controller.js';
import { QueriesController } from './rpc/queries-controller.js';

/** What is heard on the bus, over a fleet that was loaded before. */
@Module({})
export class InventoryModule {
  static over(fleet: Fleet, terms: LeaseTerms): DynamicModule {
    return {
      module: InventoryModule,
      controllers: [AgentsController, QueriesController],
      providers: [
        { provide: Fleet, useValue: fleet },
        { provide: LeaseTerms, useValue: terms },
      ],
    };
  }
}
