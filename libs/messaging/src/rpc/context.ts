import type { MsgHdrs } from '@nats-io/transport-node';
import type { AgentAddress } from '../principal.js';

/** What a handler may know of a message beside its payload. Passed as the second argument. */
export class BusContext {
  /** The real subject, where the pattern had wildcards. */
  readonly subject: string;
  /** The agent whose subject it is, which the server enforced; null for a service's request. */
  readonly sender: AgentAddress | null;
  readonly #headers: MsgHdrs | undefined;

  constructor(subject: string, sender: AgentAddress | null, headers: MsgHdrs | undefined) {
    this.subject = subject;
    this.sender = sender;
    this.#headers = headers;
  }

  header(name: string): string | null {
    return this.#headers?.has(name) ? this.#headers.get(name) : null;
  }

  /** The sender of a message that only agents send. Throws where a handler was put on a subject of services. */
  requireSender(): AgentAddress {
    if (!this.sender) throw new Error(`${this.subject} is not an agent's subject`);
    return this.sender;
  }
}
