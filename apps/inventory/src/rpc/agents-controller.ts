import {
  cardIdSchema,
  type heartbeatReplySchema,
  heartbeatSchema,
  problemOfParse,
  ProblemError,
  registerCardSchema,
  type RegisterCard,
  registerPoolSchema,
  type RegisterPool,
  type registerReplySchema,
} from '@flexbso/contracts';
import { BusContext, FromAgents } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { z } from 'zod';
import { Inventory } from '../inventory.js';

type Heartbeat = z.infer<typeof heartbeatSchema>;
type RegisterReply = z.infer<typeof registerReplySchema>;
type HeartbeatReply = z.infer<typeof heartbeatReplySchema>;

/** What agents say to inventory. Who speaks is the id in the subject. */
@Controller()
export class AgentsController {
  readonly #inventory: Inventory;

  constructor(@Inject(Inventory) inventory: Inventory) {
    this.#inventory = inventory;
  }

  @FromAgents('card', 'register', registerCardSchema)
  async registerCard(registration: RegisterCard, context: BusContext): Promise<RegisterReply> {
    return this.#inventory.agents.registerCard(idOf(context), registration);
  }

  @FromAgents('pool', 'register', registerPoolSchema)
  async registerPool(registration: RegisterPool, context: BusContext): Promise<RegisterReply> {
    return this.#inventory.agents.registerPool(idOf(context), registration);
  }

  @FromAgents(['card', 'pool'], 'heartbeat', heartbeatSchema)
  async heartbeat(session: Heartbeat, context: BusContext): Promise<HeartbeatReply> {
    return this.#inventory.agents.heartbeat(context.requireSender(), session);
  }
}

/** A subject's token may be longer than an id may be. */
function idOf(context: BusContext): string {
  const { id } = context.requireSender();
  const parsed = cardIdSchema.safeParse(id);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse(`the id in ${context.subject}`, parsed.error));
}
