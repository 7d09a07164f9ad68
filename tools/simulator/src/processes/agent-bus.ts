import type { Addressed, AgentBus, Schemas } from '@flexbso/agent';
import { type AgentRole, type DownVerb, ProblemError, type UpVerb } from '@flexbso/contracts';
import type { z } from 'zod';
import type { SimBus } from '../bus/sim-bus.js';
import type { SimProcess } from './sim-process.js';

const serviceOf = (verb: UpVerb) => (verb === 'desired' || verb === 'report' ? 'scheduler' : 'inventory');

/** An agent's end of the bus: its own subjects. Every shape is checked once, by whoever receives it. */
export function agentBus(
  bus: SimBus,
  process: SimProcess,
  self: { readonly role: AgentRole; readonly id: string },
): AgentBus {
  const listener = bus.listen(self.role, self.id, process);
  return {
    ask: async <Request, Reply>(
      verb: UpVerb,
      schemas: Schemas<Request, Reply>,
      payload: Request,
      timeoutMs: number,
    ): Promise<Reply> => {
      const question = { sender: self, verb, payload };
      return schemas.reply.parse(
        await process.call(`bus.${verb}`, () => bus.ask(process, serviceOf(verb), question, timeoutMs)),
      );
    },
    send: async () => undefined,
    hear: async <Payload extends Addressed>(
      verb: DownVerb,
      schema: z.ZodType<Payload>,
      handler: (payload: Payload) => Promise<unknown>,
    ) => {
      listener.verbs.set(verb, async (message) => {
        const payload = schema.parse(message);
        if (payload.to.id === self.id && payload.to.role === self.role) return handler(payload);
        throw new ProblemError({ code: 'forbidden', detail: `${verb} for ${payload.to.role} ${payload.to.id}` });
      });
    },
    onReconnect: (handler) => void listener.onReconnect.push(handler),
    close: async () => undefined,
  };
}
