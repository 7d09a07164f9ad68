import { ProblemError, senderOf, type Problem } from '@flexbso/contracts';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Span } from '@opentelemetry/api';
import { within } from '../backoff.js';
import type { Bus } from '../connection.js';
import { decodeJson, parseOrRefuse, problemReply, valueReply } from '../envelope.js';
import { judgeReply, type Quarantine } from '../reply-guard.js';
import { contextOf, inMessageSpan, markFailed, SpanKind } from '../trace.js';
import { WorkQueue } from '../work-queue.js';
import { BusContext } from './context.js';
import { RPC_TRANSPORT } from './decorators.js';
import { RouteError, routeOf, type Route } from './route.js';

export interface RpcServerOptions {
  /** Connected, and closed, by the caller. */
  readonly bus: Bus;
  /** Replicas with the same group share the requests; without one, each replica hears all. */
  readonly queueGroup?: string;
  /** Handlers at the same time; 64 keep two cores and a database's connections busy. */
  readonly concurrency?: number;
  /** Messages that wait; 1024 is about a tenth of a second of work, less than any deadline. */
  readonly queueLength?: number;
  /** How long closing waits for handlers; below the ten seconds after which a supervisor kills. */
  readonly closeTimeoutMs?: number;
  /**
   * Asked for each message, and again before its answer. False: there is none, since another process may be the one to
   * give it. A wrong answer that comes first would hide the right one; and an agent that is told `fenced` takes it for
   * its own session's end.
   */
  readonly isServing?: () => boolean;
  readonly onQuarantine?: (quarantine: Quarantine) => void;
  /** A message that fits no schema; it was refused (or, without a reply subject, dropped). */
  readonly onInvalid?: (subject: string, problem: Problem) => void;
  /** A handler's failure that is not a ProblemError; the asker is told `internal` and the trace id only. */
  readonly onError?: (failure: { readonly subject: string; readonly error: unknown; readonly traceId: string }) => void;
}

/** What became of the messages heard, counted since the start. */
export interface RpcStats {
  readonly handled: number;
  readonly invalid: number;
  readonly overloaded: number;
  readonly quarantined: number;
  readonly dropped: number;
  readonly failed: number;
}

/**
 * Nest transport for requests and notices over core NATS: `@Rpc` and `@FromAgents` methods. Everything heard is
 * checked by its schema, bounded in number, answered only where its sender may hear. For facts that must not
 * be lost use `EventServer`.
 */
export class NatsRpcServer extends Server implements CustomTransportStrategy {
  override transportId = RPC_TRANSPORT;
  readonly #options: RpcServerOptions;
  readonly #routes = new Map<string, Route<BusContext>>();
  readonly #queue: WorkQueue;
  readonly #stats = { handled: 0, invalid: 0, overloaded: 0, quarantined: 0, dropped: 0, failed: 0 };
  #subscriptions: Subscription[] = [];

  constructor(options: RpcServerOptions) {
    super();
    this.#options = options;
    this.#queue = new WorkQueue({
      concurrency: options.concurrency ?? 64,
      capacity: options.queueLength ?? 1024,
      // Such as a reply that could no longer be sent, since the connection is being drained.
      onFailure: (error) => options.onError?.({ subject: '', error, traceId: '' }),
    });
  }

  get stats(): RpcStats {
    return { ...this.#stats };
  }

  override addHandler(pattern: unknown, callback: MessageHandler, _isEvent?: boolean, extras?: unknown): void {
    const route = routeOf<BusContext>(pattern, callback, extras);
    if (this.#routes.has(route.pattern)) throw new RouteError(`${route.pattern} has two handlers`);
    this.#routes.set(route.pattern, route);
  }

  /** Subscribes, and calls back once the server knows every subscription; with an error if it denied one. */
  override async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      await this.#subscribe();
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }

  /** Stops hearing, lets running and waiting handlers end up to the deadline, and sends their replies. */
  override async close(): Promise<void> {
    const timeoutMs = this.#options.closeTimeoutMs ?? 8_000;
    const { connection } = this.#options.bus;
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    if (!connection.isClosed()) {
      const open = subscriptions.filter((one) => !one.isClosed() && !one.isDraining());
      // While the server is away a subscription cannot be drained, and nothing comes on it either.
      await within(Promise.allSettled(open.map((one) => one.drain())), timeoutMs);
    }
    await this.#queue.idle(timeoutMs);
    // Replies that cannot be sent now are lost with the connection; their askers meet their deadline.
    if (!connection.isClosed()) await within(connection.flush(), timeoutMs).catch(() => false);
  }

  /** Nest's seam for events of a client library; status is told through `connectBus` instead. */
  override on(): never {
    throw new Error('NatsRpcServer emits no events: use onStatus of connectBus');
  }

  override unwrap(): never {
    throw new Error('NatsRpcServer hides its client library: use the Bus that it was given');
  }

  async #subscribe(): Promise<void> {
    const { bus, queueGroup } = this.#options;
    this.#subscriptions = [...this.#routes.values()].map((route) =>
      bus.connection.subscribe(route.pattern, {
        ...(queueGroup === undefined ? {} : { queue: queueGroup }),
        // An error here ends the subscription; connectBus tells it as a status.
        callback: (error, message) => {
          if (!error) this.#receive(route, message);
        },
      }),
    );
    await bus.flush();
    const denied = this.#subscriptions.filter((one) => one.isClosed()).map((one) => one.getSubject());
    if (denied.length > 0) throw new RouteError(`the server denied the subscription to ${denied.join(', ')}`);
  }

  #isServing(): boolean {
    return this.#options.isServing?.() ?? true;
  }

  #receive(route: Route<BusContext>, message: Msg): void {
    if (!this.#isServing()) {
      this.#stats.dropped += 1;
      return;
    }
    const verdict = judgeReply(message.subject, message.reply);
    if (verdict.kind === 'quarantine') {
      this.#stats.quarantined += 1;
      this.#options.onQuarantine?.(verdict.quarantine);
      return;
    }
    if (verdict.kind === 'drop') {
      this.#stats.dropped += 1;
      return;
    }
    const replySubject = verdict.kind === 'answer' ? verdict.replySubject : null;
    if (this.#queue.offer(() => this.#handle(route, message, replySubject))) return;
    this.#stats.overloaded += 1;
    const detail = `${message.subject}: the service has ${this.#queue.pending} requests before this one; try again later`;
    this.#reply(replySubject, problemReply({ code: 'too-many-requests', detail }));
  }

  /** Every failure of a handler becomes a reply. */
  async #handle(route: Route<BusContext>, message: Msg, replySubject: string | null): Promise<void> {
    const span = { operation: 'process', kind: SpanKind.SERVER, subject: message.subject } as const;
    await inMessageSpan({ ...span, parent: contextOf(message.headers) }, async (active) => {
      const answer = await this.#answer(route, message, active);
      if (this.#isServing()) this.#reply(replySubject, answer);
      else this.#stats.dropped += 1;
    });
  }

  async #answer(route: Route<BusContext>, message: Msg, span: Span): Promise<Uint8Array> {
    let payload: unknown;
    try {
      payload = parseOrRefuse(route.schema, decodeJson(message.data, message.subject), message.subject);
    } catch (error) {
      return this.#refuse(message.subject, error, span);
    }
    try {
      const sender = senderOf(message.subject);
      const address = sender ? { role: sender.role, id: sender.id } : null;
      const value = await route.run(payload, new BusContext(message.subject, address, message.headers));
      const reply = valueReply(value, `the reply to ${message.subject}`);
      this.#stats.handled += 1;
      return reply;
    } catch (error) {
      return this.#fail(message.subject, error, span);
    }
  }

  #refuse(subject: string, error: unknown, span: Span): Uint8Array {
    if (!(error instanceof ProblemError)) return this.#fail(subject, error, span);
    this.#stats.invalid += 1;
    this.#options.onInvalid?.(subject, error.problem);
    return problemReply(error.problem);
  }

  #fail(subject: string, error: unknown, span: Span): Uint8Array {
    if (error instanceof ProblemError) {
      // A refusal is an answer: it counts as handled.
      this.#stats.handled += 1;
      span.setAttribute('error.type', error.code);
      return problemReply(error.problem);
    }
    this.#stats.failed += 1;
    markFailed(span, error);
    const { traceId } = span.spanContext();
    this.#options.onError?.({ subject, error, traceId });
    return problemReply({
      code: 'internal',
      detail: `the service failed; its log has the trace ${traceId}`,
      facts: { traceId },
    });
  }

  #reply(replySubject: string | null, data: Uint8Array): void {
    const { connection } = this.#options.bus;
    if (replySubject !== null && !connection.isClosed()) connection.publish(replySubject, data);
  }
}
