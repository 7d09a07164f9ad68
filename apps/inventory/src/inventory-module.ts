import { type DynamicModule, Module } from '@nestjs/common';
import { Inventory } from './inventory.js';
import { AgentsController } from './rpc/agents-controller.js';
import { RequestsController } from './rpc/requests-controller.js';

/** What is heard on the bus, over an inventory that was loaded before. */
@Module({})
export class InventoryModule {
  static over(inventory: Inventory): DynamicModule {
    return {
      module: InventoryModule,
      controllers: [AgentsController, RequestsController],
      providers: [{ provide: Inventory, useValue: inventory }],
    };
  }
}
