import { subjects, type ServiceName } from '@flexbso/contracts';
import { Injectable } from '@nestjs/common';
import { Bus } from '../connection.js';
import type { RequestSchemas } from '../envelope.js';
import { request, type RequestOptions } from '../request.js';

/** Asks other services. Provide it with `{ provide: RpcClient, useFactory: (bus) => new RpcClient(bus) }`. */
@Injectable()
export class RpcClient {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /**
   * Calls a verb of a service: `call('inventory', 'get-card', rpc.inventory['get-card'], {...}, { timeoutMs })`.
   *
   * @throws ProblemError as `request` does
   */
  call<Request, Reply>(
    service: ServiceName,
    verb: string,
    schemas: RequestSchemas<Request, Reply>,
    payload: Request,
    options: RequestOptions,
  ): Promise<Reply> {
    return request(this.#bus, subjects.rpc(service, verb), schemas, payload, options);
  }
}
