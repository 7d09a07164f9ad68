import { EVENT_STREAM, subjects } from '@flexbso/contracts';
import { DeliverPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { z } from 'zod';
import type { Bus } from '../connection.js';
import { decodeJson, parseOrRefuse } from '../envelope.js';
import { messageIdOf } from './event-context.js';

export interface ReadEvents<Payload> {
  readonly schema: z.ZodType<Payload>;
  /** The first sequence wanted: the last one seen plus one. Without it, only events from now on. */
  readonly fromSequence?: number;
  /** Subject filter; every event without it. */
  readonly filter?: string;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** An event that fits no schema is left out, and told here. */
  readonly onInvalid?: (sequence: number, error: unknown) => void;
}

export interface StreamedEvent<Payload> {
  readonly sequence: number;
  readonly subject: string;
  readonly messageId: string | null;
  readonly storedAtMs: number;
  readonly payload: Payload;
}

/** What is fetched ahead of a slow reader; the server keeps the rest. */
const BUFFERED_MESSAGES = 128;

/**
 * Reads the event stream in order, from a sequence on, across reconnects; keeps nothing on the server. When the
 * wanted sequence is no longer kept it begins at the oldest that is, so a gap shows in the sequences. Ends
 * quietly when the signal is aborted.
 */
export async function* readEvents<Payload>(
  bus: Bus,
  options: ReadEvents<Payload>,
): AsyncGenerator<StreamedEvent<Payload>, void, undefined> {
  if (options.signal.aborted) return;
  const messages = await consume(bus, options);
  const stop = () => messages.stop();
  options.signal.addEventListener('abort', stop, { once: true });
  // Aborted while the consumer was being made: nobody told the listener.
  if (options.signal.aborted) stop();
  try {
    for await (const message of messages) {
      if (options.signal.aborted) return;
      const event = streamed(message, options);
      if (event) yield event;
    }
  } finally {
    options.signal.removeEventListener('abort', stop);
    await messages.close();
  }
}

async function consume<Payload>(bus: Bus, options: ReadEvents<Payload>): Promise<ConsumerMessages> {
  const { fromSequence } = options;
  const start =
    fromSequence === undefined
      ? { deliver_policy: DeliverPolicy.New }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, fromSequence) };
  const consumer = await jetstream(bus.connection).consumers.get(EVENT_STREAM, {
    ...start,
    filter_subjects: options.filter ?? subjects.allEvents,
  });
  return consumer.consume({ max_messages: BUFFERED_MESSAGES });
}

function streamed<Payload>(message: JsMsg, options: ReadEvents<Payload>): StreamedEvent<Payload> | null {
  try {
    return {
      sequence: message.seq,
      subject: message.subject,
      messageId: messageIdOf(message),
      storedAtMs: message.time.getTime(),
      payload: parseOrRefuse(options.schema, decodeJson(message.data, message.subject), message.subject),
    };
  } catch (error) {
    options.onInvalid?.(message.seq, error);
    return null;
  }
}
