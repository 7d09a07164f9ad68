import type { ServiceName } from '@flexbso/contracts';
import { type RequestSchemas, RpcClient } from '@flexbso/messaging';

/**
 * For one question. A service answers in milliseconds and plans in less than a second; ten seconds outlast its
 * restart's queue, and a client that waits longer should be told.
 */
const timeoutMs = 10_000;

/** Asks the services behind the gateway. Their refusals come as `ProblemError` and go through to the client. */
export class Services {
  readonly #client: RpcClient;

  constructor(client: RpcClient) {
    this.#client = client;
  }

  ask<Request, Reply>(
    service: ServiceName,
    verb: string,
    schemas: RequestSchemas<Request, Reply>,
    payload: Request,
  ): Promise<Reply> {
    return this.#client.call(service, verb, schemas, payload, { timeoutMs });
  }
}
