import { type AgentRole, type InspectAnswer, inspectAnswerSchema, inspectQuestionSchema } from '@flexbso/contracts';
import { askDown, type Bus } from '@flexbso/messaging';
import type { Inspections } from '../ports.js';

/** An agent looks at a hundred volumes in under a second; who asks a check waits for the slowest. */
const TIMEOUT_MS = 5_000;
/** 20,000 things: a pool of a large fleet has some thousand legs. */
const MAX_PAGES = 400;

export class BusInspections implements Inspections {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async ask(role: AgentRole, agentId: string): Promise<InspectAnswer> {
    const first = await this.#page(role, agentId, null);
    let answer = first;
    for (let page = 1; answer.next !== null; page += 1) {
      if (page >= MAX_PAGES) throw new Error(`${role} ${agentId} told of ${page} pages and does not come to an end`);
      const more = await this.#page(role, agentId, answer.next);
      const given = {
        volumes: [...answer.given.volumes, ...more.given.volumes],
        legs: [...answer.given.legs, ...more.given.legs],
      };
      answer = { ...more, volumes: [...answer.volumes, ...more.volumes], legs: [...answer.legs, ...more.legs], given };
    }
    if (answer.incarnation === first.incarnation && answer.revision === first.revision) return answer;
    throw new Error(`${role} ${agentId} was given something else while it told: ask again`);
  }

  #page(role: AgentRole, agentId: string, after: string | null): Promise<InspectAnswer> {
    const schemas = { request: inspectQuestionSchema, reply: inspectAnswerSchema };
    const question = { v: 1 as const, to: { role, id: agentId }, ...(after === null ? {} : { after }) };
    return askDown(this.#bus, 'inspect', schemas, question, { timeoutMs: TIMEOUT_MS });
  }
}
