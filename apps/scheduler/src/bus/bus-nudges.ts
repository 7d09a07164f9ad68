import {
  type AgentRole,
  cardDesiredSchema,
  type CardDesired,
  poolDesiredSchema,
  type PoolDesired,
} from '@flexbso/contracts';
import { type Bus, sendDown } from '@flexbso/messaging';
import { logger } from '@flexbso/observability';
import type { Nudges } from '../ports.js';

const log = logger('nudges');

/** Nudges over the bus. One that cannot be sent is logged: the agent asks at its next beat. */
export class BusNudges implements Nudges {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  send(role: AgentRole, agentId: string, message: CardDesired | PoolDesired): void {
    this.#publish(role, message).catch((error: unknown) => log.warn('nudge not sent', { role, agentId, error }));
  }

  #publish(role: AgentRole, message: CardDesired | PoolDesired): Promise<void> {
    return role === 'card'
      ? sendDown(this.#bus, 'nudge', cardDesiredSchema, cardDesiredSchema.parse(message))
      : sendDown(this.#bus, 'nudge', poolDesiredSchema, poolDesiredSchema.parse(message));
  }
}
