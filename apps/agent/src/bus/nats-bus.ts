import { type AgentRole, type DownVerb, ProblemError, type UpVerb } from '@flexbso/contracts';
import { type Bus, type BusStatus, askUp, connectBus, hearDown, sendUp } from '@flexbso/messaging/agent';
import type { z } from 'zod';
import type { Addressed, AgentBus, Schemas } from '../ports/bus.js';
import type { AgentLog } from '../ports/log.js';

export interface NatsBusOptions {
  readonly role: AgentRole;
  readonly id: string;
  readonly servers: readonly string[];
  readonly seedFile: string;
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly log: AgentLog;
  /** The connection ended for good, or the server is one that must not be used. */
  readonly onLost: (reason: string) => void;
}

/**
 * The agent's own subjects over NATS. It connects in the background, since an agent serves its volumes
 * whether or not anyone listens; until then a request is `unavailable` and hearing begins with the connection.
 */
export class NatsAgentBus implements AgentBus {
  readonly #options: NatsBusOptions;
  readonly #connecting: Promise<Bus>;
  readonly #onReconnect: (() => void)[] = [];
  readonly #hearings: Promise<{ stop(): Promise<void> }>[] = [];
  #bus: Bus | null = null;
  #closed = false;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#connecting = this.#connect();
    this.#connecting.catch((error: unknown) => {
      if (!this.#closed) options.onLost(String(error));
    });
  }

  async ask<Request, Reply>(
    verb: UpVerb,
    schemas: Schemas<Request, Reply>,
    payload: Request,
    timeoutMs: number,
  ): Promise<Reply> {
    return askUp(this.#connected(), verb, schemas, payload, { timeoutMs });
  }

  async send<Payload>(verb: UpVerb, schema: z.ZodType<unknown, Payload>, payload: Payload): Promise<void> {
    await sendUp(this.#connected(), verb, schema, payload);
  }

  async hear<Payload extends Addressed>(
    verb: DownVerb,
    schema: z.ZodType<Payload>,
    handler: (payload: Payload) => Promise<unknown>,
  ): Promise<void> {
    const { log } = this.#options;
    const onRefused = (problem: ProblemError) => log.warn('a message was refused', { verb, problem: problem.message });
    const hearing = this.#connecting.then((bus) => hearDown(bus, { verb, schema, handler, onRefused }));
    hearing.catch((error: unknown) => {
      if (!this.#closed) log.error('messages are not heard', { verb, error: String(error) });
    });
    this.#hearings.push(hearing);
  }

  onReconnect(handler: () => void): void {
    this.#onReconnect.push(handler);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#bus) return;
    for (const hearing of this.#hearings) await (await hearing).stop();
    await this.#bus.close();
  }

  async #connect(): Promise<Bus> {
    const { role, id, servers, seedFile, tls } = this.#options;
    const bus = await connectBus({
      servers,
      principal: { kind: role, id },
      credentials: { seedFile },
      ...(tls ? { tls } : {}),
      waitForServer: true,
      onStatus: (status) => this.#heard(status),
    });
    this.#bus = bus;
    if (this.#closed) await bus.close();
    for (const handler of this.#onReconnect) handler();
    return bus;
  }

  #connected(): Bus {
    if (this.#bus) return this.#bus;
    throw new ProblemError({ code: 'unavailable', detail: 'no connection to the bus yet' });
  }

  #heard(status: BusStatus): void {
    const { log, onLost } = this.#options;
    log.info('the connection to the bus', { status: status.type });
    if (status.type === 'connected' && status.reconnected) for (const handler of this.#onReconnect) handler();
    if (status.type === 'server-too-old') onLost('the server is too old');
    if (status.type === 'closed' && !this.#closed)
      onLost(`the connection was closed: ${String(status.error ?? 'no reason given')}`);
  }
}
