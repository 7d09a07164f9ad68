import { type AgentRole, type InspectAnswer, inspectAnswerSchema, inspectQuestionSchema } from '@flexbso/contracts';
import { askDown, type Bus } from '@flexbso/messaging';
import type { Inspections } from '../ports.js';

/** An agent looks at a hundred volumes in under a second; who asks a check waits for the slowest. */
const TIMEOUT_MS = 5_000;

export class BusInspections implements Inspections {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  ask(role: AgentRole, agentId: string): Promise<InspectAnswer> {
    const schemas = { request: inspectQuestionSchema, reply: inspectAnswerSchema };
    return askDown(this.#bus, 'inspect', schemas, { v: 1, to: { role, id: agentId } }, { timeoutMs: TIMEOUT_MS });
  }
}
