import { ProblemError } from '@flexbso/contracts';
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { trace } from '@opentelemetry/api';
import { backoffMs, delay, type Backoff } from '../backoff.js';
import type { Bus } from '../connection.js';
import { decodeJson, parseOrRefuse } from '../envelope.js';
import { RouteError, routeOf, subjectMatches, type Route } from '../rpc/route.js';
import { contextOf, inMessageSpan, SpanKind } from '../trace.js';
import { WorkQueue } from '../work-queue.js';
import { ensureConsumer, type DurableConsumer } from './consumer.js';
import { EVENT_TRANSPORT } from './decorators.js';
import { EventContext } from './event-context.js';

/** An event that is delivered no more: it fits no schema, or failed as often as is allowed. It stays in the stream. */
export interface PoisonEvent {
  readonly subject: string;
  readonly sequence: number;
  readonly deliveryCount: number;
  readonly reason: 'invalid' | 'failed';
  readonly error: unknown;
}

export interface EventServerOptions {
  readonly bus: Bus;
  /** The durable consumer's name: the service's own, or `<service>-<purpose>`. Replicas share one. */
  readonly durable: string;
  /** Handlers at the same time, and messages unacknowledged; 32 hide the round trip of an acknowledgement. */
  readonly maxInFlight?: number;
  /** With the default waits, 60 deliveries last most of an hour: a database's outage loses nothing. */
  readonly maxDeliveries?: number;
  readonly retry?: Backoff;
  /** Half a minute without a sign of life: the process is gone. While a handler runs, one is sent thrice as often. */
  readonly ackWaitMs?: number;
  /**
   * Whether an acknowledgement is itself waited for, the default. Without it each event is one round trip cheaper, and
   * one whose acknowledgement is lost comes again: for handlers that know what they have handled.
   */
  readonly confirmed?: boolean;
  readonly closeTimeoutMs?: number;
  readonly onPoison?: (event: PoisonEvent) => void;
  /** A delivery failed and will be repeated, or the consumer itself failed and is made anew. */
  readonly onError?: (failure: {
    readonly subject: string | null;
    readonly error: unknown;
    readonly traceId: string;
  }) => void;
}

export interface EventStats {
  readonly handled: number;
  readonly retried: number;
  readonly poisoned: number;
  /** Handled, but the server did not confirm the acknowledgement: it will be delivered again. */
  readonly unconfirmed: number;
}

const RETRY: Backoff = { firstMs: 500, maxMs: 60_000 };
const RESTART: Backoff = { firstMs: 250, maxMs: 5_000 };

/**
 * Nest transport for facts: `@FromEvents` methods on a durable pull consumer of the event stream. At least once,
 * in no fixed order when more than one is in flight. For requests use `NatsRpcServer`.
 */
export class EventServer extends Server implements CustomTransportStrategy {
  override transportId = EVENT_TRANSPORT;
  readonly #options: EventServerOptions;
  readonly #routes: Route<EventContext>[] = [];
  readonly #queue: WorkQueue;
  readonly #stats = { handled: 0, retried: 0, poisoned: 0, unconfirmed: 0 };
  readonly #closing = new AbortController();
  readonly #maxInFlight: number;
  readonly #ackWaitMs: number;
  readonly #maxDeliveries: number;
  #messages: ConsumerMessages | null = null;
  #consuming: Promise<void> = Promise.resolve();

  constructor(options: EventServerOptions) {
    super();
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? 32;
    this.#ackWaitMs = options.ackWaitMs ?? 30_000;
    this.#maxDeliveries = options.maxDeliveries ?? 60;
    // The server sends no more than maxInFlight; the queue has room for what it sends again beside them.
    this.#queue = new WorkQueue({
      concurrency: this.#maxInFlight,
      capacity: this.#maxInFlight,
      onFailure: (error) => this.#report(null, error),
    });
  }

  get stats(): EventStats {
    return { ...this.#stats };
  }

  override addHandler(pattern: unknown, callback: MessageHandler, _isEvent?: boolean, extras?: unknown): void {
    const route = routeOf<EventContext>(pattern, callback, extras);
    if (this.#routes.some((one) => one.pattern === route.pattern))
      throw new RouteError(`${route.pattern} has two handlers`);
    this.#routes.push(route);
  }

  /** Calls back once the durable consumer exists; then handles events until `close`. */
  override async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      callback(error);
      return;
    }
    this.#consuming = this.#consume();
    callback();
  }

  /**
   * Takes no more events, lets running handlers end and be acknowledged up to the deadline. What was on its way
   * from the server in that moment is delivered again when the wait for its acknowledgement is over.
   */
  override async close(): Promise<void> {
    this.#closing.abort(new Error('the event server is closing'));
    this.#messages?.stop();
    await this.#consuming;
    await this.#queue.idle(this.#options.closeTimeoutMs ?? 8_000);
  }

  /** Nest's seam for events of a client library; status is told through `connectBus` instead. */
  override on(): never {
    throw new Error('EventServer emits no events: use onStatus of connectBus');
  }

  override unwrap(): never {
    throw new Error('EventServer hides its client library: use the Bus that it was given');
  }

  async #open(): Promise<void> {
    const wanted: DurableConsumer = {
      durable: this.#options.durable,
      filters: this.#routes.map((route) => route.pattern),
      maxDeliveries: this.#maxDeliveries,
      maxInFlight: this.#maxInFlight,
      ackWaitMs: this.#ackWaitMs,
    };
    const consumer = await ensureConsumer(this.#options.bus, wanted);
    this.#messages = await consumer.consume({ max_messages: this.#maxInFlight });
  }

  /** Ends only with `close`: when the consumer is lost (deleted, its stream made anew), it is opened again. */
  async #consume(): Promise<void> {
    for (let attempt = 0; !this.#closing.signal.aborted; attempt += 1) {
      try {
        if (!this.#messages) await this.#open();
        for await (const message of this.#messages ?? []) {
          attempt = 0;
          this.#take(message);
        }
      } catch (error) {
        this.#report(null, error);
      }
      this.#messages = null;
      if (!this.#closing.signal.aborted) await this.#pause(backoffMs(attempt, RESTART));
    }
  }

  async #pause(ms: number): Promise<void> {
    // Closing ends the wait; the loop sees it in the signal.
    await delay(ms, this.#closing.signal).catch(() => undefined);
  }

  #take(message: JsMsg): void {
    // Given back at once, not kept until the wait for its acknowledgement is over.
    if (this.#closing.signal.aborted || !this.#queue.offer(() => this.#handle(message))) message.nak();
  }

  async #handle(message: JsMsg): Promise<void> {
    const { subject } = message;
    const parent = contextOf(message.headers);
    const working = setInterval(() => message.working(), this.#ackWaitMs / 3);
    try {
      await inMessageSpan({ operation: 'consume', kind: SpanKind.CONSUMER, subject, parent }, () => this.#run(message));
      this.#stats.handled += 1;
      await this.#confirm(message);
    } catch (error) {
      this.#giveBack(message, error);
    } finally {
      clearInterval(working);
    }
  }

  async #run(message: JsMsg): Promise<void> {
    const { subject } = message;
    const route = this.#routes.find((one) => subjectMatches(one.pattern, subject));
    if (!route) throw new InvalidEvent(new RouteError(`nothing handles ${subject}`));
    const payload = parsed(route, message);
    try {
      await route.run(payload, new EventContext(message));
    } catch (error) {
      this.#report(subject, error);
      throw error;
    }
  }

  async #confirm(message: JsMsg): Promise<void> {
    if (this.#options.confirmed === false) {
      message.ack();
      return;
    }
    const confirmed = await message.ackAck().catch(() => false);
    if (!confirmed) this.#stats.unconfirmed += 1;
  }

  #giveBack(message: JsMsg, error: unknown): void {
    const { deliveryCount } = message.info;
    const invalid = error instanceof InvalidEvent;
    if (!invalid && deliveryCount < this.#maxDeliveries) {
      this.#stats.retried += 1;
      message.nak(backoffMs(deliveryCount - 1, this.#options.retry ?? RETRY));
      return;
    }
    this.#stats.poisoned += 1;
    const reason = invalid ? 'invalid' : 'failed';
    message.term(reason);
    const cause = invalid ? error.cause : error;
    this.#options.onPoison?.({ subject: message.subject, sequence: message.seq, deliveryCount, reason, error: cause });
  }

  #report(subject: string | null, error: unknown): void {
    const traceId = trace.getActiveSpan()?.spanContext().traceId ?? '';
    this.#options.onError?.({ subject, error, traceId });
  }
}

/** Repeating cannot make it valid. */
class InvalidEvent extends Error {
  constructor(cause: unknown) {
    super('the event fits no schema', { cause });
  }
}

function parsed(route: Route<EventContext>, message: JsMsg): unknown {
  try {
    return parseOrRefuse(route.schema, decodeJson(message.data, message.subject), message.subject);
  } catch (error) {
    throw new InvalidEvent(error instanceof ProblemError ? error : new Error('unreadable', { cause: error }));
  }
}
