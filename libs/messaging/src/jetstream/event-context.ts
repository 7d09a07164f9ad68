import type { JsMsg } from '@nats-io/jetstream';

/** What a handler may know of an event beside its payload. Passed as the second argument. */
export class EventContext {
  readonly subject: string;
  /** Position in the stream; grows, and is the id that readers resume from. */
  readonly sequence: number;
  /** What it was published with: the key for an inbox of handled messages. */
  readonly messageId: string | null;
  /** 1 at the first delivery. */
  readonly deliveryCount: number;
  readonly storedAtMs: number;

  constructor(message: JsMsg) {
    this.subject = message.subject;
    this.sequence = message.seq;
    this.messageId = messageIdOf(message);
    this.deliveryCount = message.info.deliveryCount;
    this.storedAtMs = message.time.getTime();
  }
}

export function messageIdOf(message: JsMsg): string | null {
  return message.headers?.has('Nats-Msg-Id') ? message.headers.get('Nats-Msg-Id') : null;
}
