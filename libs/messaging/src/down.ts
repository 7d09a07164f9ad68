import { ProblemError, subjects, type DownVerb, type UpVerb } from '@flexbso/contracts';
import type { Msg } from '@nats-io/transport-node';
import type { z } from 'zod';
import type { Bus } from './connection.js';
import { decodeJson, encodeJson, parseOrRefuse, problemReply, valueReply, type RequestSchemas } from './envelope.js';
import { agentOf, type AgentAddress } from './principal.js';
import { isServiceInbox } from './reply-guard.js';
import { request, type RequestOptions } from './request.js';
import { contextOf, inMessageSpan, markFailed, SpanKind, traceHeaders } from './trace.js';
import { WorkQueue } from './work-queue.js';

/** Every message to an agent names it, so that one that went astray is refused. */
export interface Addressed {
  readonly to: AgentAddress;
}

/** A notice to the agent that `payload.to` names. Not acknowledged: a lost one costs a beat. */
export async function sendDown<Payload extends Addressed>(
  bus: Bus,
  verb: DownVerb,
  schema: z.ZodType<unknown, Payload>,
  payload: Payload,
): Promise<void> {
  const subject = subjects.down(payload.to.role, payload.to.id, verb);
  await inMessageSpan({ operation: 'publish', kind: SpanKind.PRODUCER, subject }, async () => {
    parseOrRefuse(schema, payload, subject);
    bus.connection.publish(subject, encodeJson(payload, subject), { headers: traceHeaders() });
  });
}

/** Asks the agent that `payload.to` names, and waits for its answer. */
export function askDown<Payload extends Addressed, Reply>(
  bus: Bus,
  verb: DownVerb,
  schemas: RequestSchemas<Payload, Reply>,
  payload: Payload,
  options: RequestOptions,
): Promise<Reply> {
  return request(bus, subjects.down(payload.to.role, payload.to.id, verb), schemas, payload, options);
}

/** An agent's request under its own subject. An answer that names an agent must name this one. */
export async function askUp<Request, Reply>(
  bus: Bus,
  verb: UpVerb,
  schemas: RequestSchemas<Request, Reply>,
  payload: Request,
  options: RequestOptions,
): Promise<Reply> {
  const me = requireAgent(bus);
  const subject = subjects.up(me.role, me.id, verb);
  const reply = await request(bus, subject, schemas, payload, options);
  refuseAnothers(me, reply, `the reply to ${subject}`);
  return reply;
}

/** An agent's notice under its own subject; not acknowledged. */
export async function sendUp<Payload>(
  bus: Bus,
  verb: UpVerb,
  schema: z.ZodType<unknown, Payload>,
  payload: Payload,
): Promise<void> {
  const me = requireAgent(bus);
  const subject = subjects.up(me.role, me.id, verb);
  await inMessageSpan({ operation: 'publish', kind: SpanKind.PRODUCER, subject }, async () => {
    parseOrRefuse(schema, payload, subject);
    bus.connection.publish(subject, encodeJson(payload, subject), { headers: traceHeaders() });
  });
}

export interface HearDown<Payload extends Addressed> {
  readonly verb: DownVerb;
  readonly schema: z.ZodType<Payload>;
  /** Its value is the answer, where one was asked for. */
  readonly handler: (payload: Payload) => Promise<unknown>;
  /** Another agent's message, one that fits no schema, one too many, or a handler's failure. */
  readonly onRefused: (problem: ProblemError) => void;
}

/** An agent has one scheduler to hear; beyond four at once, or 64 waiting, something is wrong with it. */
const QUEUE = { concurrency: 4, capacity: 64 };

/** Hears one verb of the agent's own `down` subjects until `stop` is called, which waits for what runs. */
export async function hearDown<Payload extends Addressed>(
  bus: Bus,
  hearing: HearDown<Payload>,
): Promise<{ stop(): Promise<void> }> {
  const me = requireAgent(bus);
  const queue = new WorkQueue({ ...QUEUE, onFailure: (error) => hearing.onRefused(asProblem(hearing.verb, error)) });
  const subscription = bus.connection.subscribe(subjects.down(me.role, me.id, hearing.verb), {
    callback: (error, message) => {
      if (error) return;
      if (queue.offer(() => hear(bus, me, hearing, message))) return;
      const detail = `${message.subject}: ${queue.pending} messages are waiting already`;
      answer(bus, message, refusal(hearing, new ProblemError({ code: 'too-many-requests', detail })));
    },
  });
  await bus.flush();
  return {
    stop: async () => {
      if (!subscription.isClosed()) subscription.unsubscribe();
      // Longer than a handler that only wakes a loop can take.
      await queue.idle(5_000);
    },
  };
}

async function hear<Payload extends Addressed>(bus: Bus, me: AgentAddress, hearing: HearDown<Payload>, message: Msg) {
  const { subject, headers } = message;
  const span = { operation: 'process', kind: SpanKind.CONSUMER, subject, parent: contextOf(headers) } as const;
  await inMessageSpan(span, async (active) => {
    try {
      const payload = parseOrRefuse(hearing.schema, decodeJson(message.data, subject), subject);
      refuseAnothers(me, payload, subject);
      answer(bus, message, valueReply(await hearing.handler(payload), `the answer to ${subject}`));
    } catch (error) {
      markFailed(active, error);
      answer(bus, message, refusal(hearing, asProblem(subject, error)));
    }
  });
}

function refusal<Payload extends Addressed>(hearing: HearDown<Payload>, error: ProblemError): Uint8Array {
  hearing.onRefused(error);
  return problemReply(error.problem);
}

function asProblem(subject: string, error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return new ProblemError({ code: 'internal', detail: `the agent failed at ${subject}` }, { cause: error });
}

/** Services alone ask agents; a reply subject anywhere else is not answered. */
function answer(bus: Bus, message: Msg, data: Uint8Array): void {
  if (message.reply && isServiceInbox(message.reply) && !bus.closed) bus.connection.publish(message.reply, data);
}

function requireAgent(bus: Bus): AgentAddress {
  const agent = agentOf(bus.principal);
  if (!agent) throw new Error('this connection is a service, not an agent: it has no up and down of its own');
  return agent;
}

function refuseAnothers(me: AgentAddress, message: unknown, where: string): void {
  if (typeof message !== 'object' || message === null || !('to' in message)) return;
  const { to } = message;
  const mine =
    typeof to === 'object' && to !== null && 'role' in to && 'id' in to && to.role === me.role && to.id === me.id;
  if (mine) return;
  throw new ProblemError({
    code: 'forbidden',
    detail: `${where} is for ${JSON.stringify(to)}, not for ${me.role} ${me.id}`,
  });
}
