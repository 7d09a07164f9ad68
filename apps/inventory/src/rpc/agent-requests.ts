import type {
  heartbeatReplySchema,
  heartbeatSchema,
  RegisterCard,
  RegisterPool,
  registerReplySchema,
} from '@flexbso/contracts';
import type { z } from 'zod';
import type { AgentName, Registrant } from '../agents/agent-record.js';
import type { Fleet } from '../agents/fleet.js';

type Heartbeat = z.infer<typeof heartbeatSchema>;
type RegisterReply = z.infer<typeof registerReplySchema>;
type HeartbeatReply = z.infer<typeof heartbeatReplySchema>;

/** How agents are to show that they live, in milliseconds. */
export interface LeaseTerms {
  readonly leaseMs: number;
  readonly heartbeatMs: number;
}

/** What agents say to inventory. Who speaks is known to the caller, and never taken from what is said. */
export class AgentRequests {
  readonly #fleet: Fleet;
  readonly #terms: LeaseTerms;

  constructor(fleet: Fleet, { leaseMs, heartbeatMs }: LeaseTerms) {
    this.#fleet = fleet;
    this.#terms = { leaseMs, heartbeatMs };
  }

  /** @throws ProblemError as `Fleet.register` */
  registerCard(id: string, registration: RegisterCard): Promise<RegisterReply> {
    return this.#register({ role: 'card', id, registration });
  }

  /** @throws ProblemError as `Fleet.register` */
  registerPool(id: string, registration: RegisterPool): Promise<RegisterReply> {
    return this.#register({ role: 'pool', id, registration });
  }

  /** @throws ProblemError as `Fleet.heard` */
  async heartbeat(name: AgentName, session: Heartbeat): Promise<HeartbeatReply> {
    const heard = await this.#fleet.heard(name, session);
    return { accepted: heard === 'heard', register: heard === 'register' };
  }

  async #register(registrant: Registrant): Promise<RegisterReply> {
    await this.#fleet.register(registrant);
    return { accepted: true, ...this.#terms };
  }
}
