import { EventPattern } from '@nestjs/microservices';
import type { z } from 'zod';
import { asHandler, type HandlerDecorator } from '../rpc/decorators.js';
import type { EventContext } from './event-context.js';

export const EVENT_TRANSPORT = Symbol('flexbso.events');

/**
 * Handles facts from the event stream whose subject fits `filter` (`subjects.allEvents`, `bso.evt.card.>`). An event may come
 * twice: the handler is idempotent, by `context.messageId`. Returning acknowledges; throwing has it delivered
 * again later. The filters of one server must not overlap.
 */
export function FromEvents<Payload>(
  filter: string,
  schema: z.ZodType<Payload>,
): HandlerDecorator<Payload, EventContext> {
  return asHandler(EventPattern([filter], EVENT_TRANSPORT, { schema }));
}
