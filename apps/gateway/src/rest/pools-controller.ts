import { type PoolSnapshot, rpc } from '@flexbso/contracts';
import { Controller, Inject } from '@nestjs/common';
import { fleetRoutes } from '../routes/fleet-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';

const verbs = rpc.inventory;

@Controller()
export class PoolsController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(fleetRoutes.listPools)
  list(@Call() { caller, query }: CallOf<typeof fleetRoutes.listPools>) {
    return this.#services.ask('inventory', 'list-pools', verbs['list-pools'], { v: 1, caller, ...query });
  }

  @Serve(fleetRoutes.getPool)
  get(@Call() { caller, params }: CallOf<typeof fleetRoutes.getPool>): Promise<PoolSnapshot> {
    return this.#services.ask('inventory', 'get-pool', verbs['get-pool'], { v: 1, caller, ...params });
  }

  @Serve(fleetRoutes.cordonPool)
  cordon(@Call() call: CallOf<typeof fleetRoutes.cordonPool>): Promise<PoolSnapshot> {
    return this.#cordon(call, true);
  }

  @Serve(fleetRoutes.uncordonPool)
  uncordon(@Call() call: CallOf<typeof fleetRoutes.uncordonPool>): Promise<PoolSnapshot> {
    return this.#cordon(call, false);
  }

  @Serve(fleetRoutes.releasePool)
  release(@Call() { caller, params }: CallOf<typeof fleetRoutes.releasePool>): Promise<PoolSnapshot> {
    return this.#services.ask('inventory', 'release-pool', verbs['release-pool'], { v: 1, caller, ...params });
  }

  #cordon({ caller, params }: CallOf<typeof fleetRoutes.cordonPool>, cordoned: boolean): Promise<PoolSnapshot> {
    const payload = { v: 1 as const, caller, ...params, cordoned };
    return this.#services.ask('inventory', 'cordon-pool', verbs['cordon-pool'], payload);
  }
}
