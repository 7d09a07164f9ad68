import type { AgentRole, DownVerb, UpVerb } from '@flexbso/contracts';
import type { z } from 'zod';

export interface Schemas<Request, Reply> {
  readonly request: z.ZodType<unknown, Request>;
  readonly reply: z.ZodType<Reply>;
}

/** Every message to an agent names it. */
export interface Addressed {
  readonly to: { readonly role: AgentRole; readonly id: string };
}

/** An agent's own subjects on the bus, and nothing else of it. */
export interface AgentBus {
  /**
   * Asks once, in the active trace. Throws a ProblemError: `unavailable`, `deadline-exceeded`, or what the
   * service refused with. An answer that names another agent is refused as `forbidden`.
   */
  ask<Request, Reply>(
    verb: UpVerb,
    schemas: Schemas<Request, Reply>,
    payload: Request,
    timeoutMs: number,
  ): Promise<Reply>;
  /** Sends and forgets: a lost measurement is replaced by the next. */
  send<Payload>(verb: UpVerb, schema: z.ZodType<unknown, Payload>, payload: Payload): Promise<void>;
  /** Hears one verb until `close`. Messages that fit no schema or name another agent never reach the handler. */
  hear<Payload extends Addressed>(
    verb: DownVerb,
    schema: z.ZodType<Payload>,
    handler: (payload: Payload) => Promise<unknown>,
  ): Promise<void>;
  /** Called each time that a lost connection has come back. */
  onReconnect(handler: () => void): void;
  /** Stops hearing, lets what is under way finish, flushes. */
  close(): Promise<void>;
}
