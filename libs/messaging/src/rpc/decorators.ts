import { subjects, type AgentRole, type UpVerb } from '@flexbso/contracts';
import { applyDecorators, Catch, UseFilters, type ExceptionFilter } from '@nestjs/common';
import { Ctx, MessagePattern, Payload as PayloadParameter } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import type { z } from 'zod';
import type { BusContext } from './context.js';

/** Nest hands a handler only to the transport whose id its decorator names. */
export const RPC_TRANSPORT = Symbol('flexbso.rpc');

/** Puts a method with this payload and context on a subject; one with another payload does not compile. */
export type HandlerDecorator<Payload, Context> = <Method extends (payload: Payload, context: Context) => unknown>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/** Nest's own filter would turn every error into 'Internal server error'; the transport decides instead. */
@Catch()
export class PassOnErrors implements ExceptionFilter<unknown> {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Answers requests between services on a subject (`subjects.rpc(...)`). The payload reaches the method only
 * after `schema` accepted it; the returned value is the reply, a thrown ProblemError the refusal.
 */
export function Rpc<Payload>(subject: string, schema: z.ZodType<Payload>): HandlerDecorator<Payload, BusContext> {
  return handler([subject], schema);
}

/**
 * Hears one verb of every agent of a role (or of both roles). Who sent it is `context.sender`, taken from the
 * subject. A message without a reply subject is a notice: the returned value goes nowhere.
 */
export function FromAgents<Payload>(
  role: AgentRole | readonly AgentRole[],
  verb: UpVerb,
  schema: z.ZodType<Payload>,
): HandlerDecorator<Payload, BusContext> {
  const roles = typeof role === 'string' ? [role] : role;
  return handler(
    roles.map((one) => subjects.upOfAll(one, verb)),
    schema,
  );
}

function handler<Payload>(patterns: readonly string[], schema: z.ZodType<Payload>) {
  return asHandler(MessagePattern([...patterns], RPC_TRANSPORT, { schema }));
}

/** Completes a pattern's decorator by what every handler of ours has: payload, context, errors as they are. */
export function asHandler(pattern: MethodDecorator): MethodDecorator {
  return applyDecorators(pattern, UseFilters(new PassOnErrors()), (target: object, key: string | symbol) => {
    // Without these Nest hands over the payload alone.
    PayloadParameter()(target, key, 0);
    Ctx()(target, key, 1);
  });
}
