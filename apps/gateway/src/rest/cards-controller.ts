import { type CardSnapshot, rpc } from '@flexbso/contracts';
import { Controller, Inject } from '@nestjs/common';
import { fleetRoutes } from '../routes/fleet-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';

const verbs = rpc.inventory;

@Controller()
export class CardsController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(fleetRoutes.listCards)
  list(@Call() { caller, query }: CallOf<typeof fleetRoutes.listCards>) {
    return this.#services.ask('inventory', 'list-cards', verbs['list-cards'], { v: 1, caller, ...query });
  }

  @Serve(fleetRoutes.getCard)
  get(@Call() { caller, params }: CallOf<typeof fleetRoutes.getCard>): Promise<CardSnapshot> {
    return this.#services.ask('inventory', 'get-card', verbs['get-card'], { v: 1, caller, ...params });
  }

  @Serve(fleetRoutes.cordonCard)
  cordon(@Call() call: CallOf<typeof fleetRoutes.cordonCard>): Promise<CardSnapshot> {
    return this.#cordon(call, true);
  }

  @Serve(fleetRoutes.uncordonCard)
  uncordon(@Call() call: CallOf<typeof fleetRoutes.uncordonCard>): Promise<CardSnapshot> {
    return this.#cordon(call, false);
  }

  @Serve(fleetRoutes.releaseCard)
  release(@Call() { caller, params }: CallOf<typeof fleetRoutes.releaseCard>): Promise<CardSnapshot> {
    return this.#services.ask('inventory', 'release-card', verbs['release-card'], { v: 1, caller, ...params });
  }

  #cordon({ caller, params }: CallOf<typeof fleetRoutes.cordonCard>, cordoned: boolean): Promise<CardSnapshot> {
    const payload = { v: 1 as const, caller, ...params, cordoned };
    return this.#services.ask('inventory', 'cordon-card', verbs['cordon-card'], payload);
  }
}
