import type { Readiness } from '@flexbso/observability';
import { Controller, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { openApiDocument } from '../openapi/document.js';
import { ownRoutes } from '../routes/own-routes.js';
import { Serve } from '../routes/serve.js';

/** What the gateway knows of itself. */
export class OwnState {
  readonly ready: () => Readiness;
  readonly prometheusText: () => Promise<string>;

  constructor(ready: () => Readiness, prometheusText: () => Promise<string>) {
    this.ready = ready;
    this.prometheusText = prometheusText;
  }
}

@Controller()
export class OwnController {
  readonly #state: OwnState;
  readonly #document = openApiDocument();

  constructor(@Inject(OwnState) state: OwnState) {
    this.#state = state;
  }

  @Serve(ownRoutes.getOpenApi)
  openApi() {
    return this.#document;
  }

  @Serve(ownRoutes.getHealth)
  health() {
    return { healthy: true };
  }

  @Serve(ownRoutes.getReadiness)
  readiness(@Res({ passthrough: true }) reply: FastifyReply): Readiness {
    const state = this.#state.ready();
    reply.status(state.ready ? 200 : 503);
    return state;
  }

  @Serve(ownRoutes.getMetrics)
  metrics(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    reply.type('text/plain; version=0.0.4');
    return this.#state.prometheusText();
  }
}
