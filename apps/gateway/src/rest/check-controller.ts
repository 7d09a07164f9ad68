import { type CheckReport, rpc } from '@flexbso/contracts';
import { Controller, Inject } from '@nestjs/common';
import { checkRoutes } from '../routes/check-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';

@Controller()
export class CheckController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(checkRoutes.getCheck)
  check(@Call() { caller }: CallOf<typeof checkRoutes.getCheck>): Promise<CheckReport> {
    return this.#services.ask('scheduler', 'check', rpc.scheduler.check, { v: 1, caller });
  }
}
