import {
  cardIdSchema,
  heartbeatReplySchema,
  heartbeatSchema,
  problemOfParse,
  ProblemError,
  registerCardSchema,
  type RegisterCard,
  registerPoolSchema,
  type RegisterPool,
  registerReplySchema,
} from '@flexbso/contracts';
import { BusContext, FromAgents } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { Fleet } from '../agents/fleet.js';

type Heartbeat = z.infer<typeof heartbeatSchema>;
type RegisterReply = z.infer<typeof registerReplySchema>;
type HeartbeatReply = z.infer<typeof heartbeatReplySchema>;

/** How agents are to show that they live, in milliseconds. */
export class LeaseTerms {
  readonly leaseMs: number;
  readonly heartbeatMs: number;

  constructor(leaseMs: number, heartbeatMs: number) {
    this.leaseMs = leaseMs;
    this.heartbeatMs = heartbeatMs;
  }
}

/** What agents say to inventory. Who speaks is the id in the subject. */
@Controller()
export class AgentsController {
  readonly #fleet: Fleet;
  readonly #terms: LeaseTerms;

  constructor(@Inject(Fleet) fleet: Fleet, @Inject(LeaseTerms) terms: LeaseTerms) {
    this.#fleet = fleet;
    this.#terms = terms;
  }

  @FromAgents('card', 'register', registerCardSchema)
  async registerCard(registration: RegisterCard, context: BusContext): Promise<RegisterReply> {
    await this.#fleet.register({ role: 'card', id: idOf(context), registration });
    return { accepted: true, leaseMs: this.#terms.leaseMs, heartbeatMs: this.#terms.heartbeatMs };
  }

  @FromAgents('pool', 'register', registerPoolSchema)
  async registerPool(registration: RegisterPool, context: BusContext): Promise<RegisterReply> {
    await this.#fleet.register({ role: 'pool', id: idOf(context), registration });
    return { accepted: true, leaseMs: this.#terms.leaseMs, heartbeatMs: this.#terms.heartbeatMs };
  }

  @FromAgents(['card', 'pool'], 'heartbeat', heartbeatSchema)
  async heartbeat(session: Heartbeat, context: BusContext): Promise<HeartbeatReply> {
    const heard = await this.#fleet.heard(context.requireSender(), session);
    return { accepted: heard === 'heard', register: heard === 'register' };
  }
}

/** A subject's token may be longer than an id may be. */
function idOf(context: BusContext): string {
  const { id } = context.requireSender();
  const parsed = cardIdSchema.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse(`the id in ${context.subject}`, parsed.error));
}
