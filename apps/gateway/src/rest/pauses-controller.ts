import { type PauseList, rpc } from '@flexbso/contracts';
import { Controller, Inject } from '@nestjs/common';
import { pauseRoutes } from '../routes/pause-routes.js';
import type { CallOf } from '../routes/route.js';
import { Call, Serve } from '../routes/serve.js';
import { Services } from '../services.js';

const verbs = rpc.scheduler;

@Controller()
export class PausesController {
  readonly #services: Services;

  constructor(@Inject(Services) services: Services) {
    this.#services = services;
  }

  @Serve(pauseRoutes.pauseCard)
  pauseCard(@Call() { caller, params }: CallOf<typeof pauseRoutes.pauseCard>): Promise<PauseList> {
    return this.#services.ask('scheduler', 'pause', verbs.pause, { v: 1, caller, ...params });
  }

  @Serve(pauseRoutes.resumeCard)
  resumeCard(@Call() { caller, params }: CallOf<typeof pauseRoutes.resumeCard>): Promise<PauseList> {
    return this.#services.ask('scheduler', 'resume', verbs.resume, { v: 1, caller, ...params });
  }

  @Serve(pauseRoutes.pauseFleet)
  pauseFleet(@Call() { caller }: CallOf<typeof pauseRoutes.pauseFleet>): Promise<PauseList> {
    return this.#services.ask('scheduler', 'pause', verbs.pause, { v: 1, caller, cardId: null });
  }

  @Serve(pauseRoutes.resumeFleet)
  resumeFleet(@Call() { caller }: CallOf<typeof pauseRoutes.resumeFleet>): Promise<PauseList> {
    return this.#services.ask('scheduler', 'resume', verbs.resume, { v: 1, caller, cardId: null });
  }

  @Serve(pauseRoutes.listPauses)
  list(@Call() { caller }: CallOf<typeof pauseRoutes.listPauses>): Promise<PauseList> {
    return this.#services.ask('scheduler', 'list-pauses', verbs['list-pauses'], { v: 1, caller });
  }
}
