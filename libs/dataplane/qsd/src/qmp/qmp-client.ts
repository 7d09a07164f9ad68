import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { z } from 'zod';
import { QmpUnreachableError } from './errors.js';
import { QmpConnection, type OnEvent } from './qmp-connection.js';

const tracer = trace.getTracer('@flexbso/dataplane-qsd');

/** Told of each command on its way to a daemon, and of each answer on its way back. */
export type OnCommand = (when: 'before' | 'after', command: string) => Promise<void>;

/** Runs what polls without a span for each command. */
export function untraced<T>(act: () => Promise<T>): Promise<T> {
  return context.with(trace.deleteSpan(context.active()), act);
}

/**
 * One daemon's monitor, over as many connections as its life takes: connects at the first command
 * and again after a loss. Never repeats a command by itself: whether a lost one was carried out is
 * for an observation to say.
 */
export class QmpClient {
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #attributes: Record<string, string>;
  #connection: Promise<QmpConnection> | null = null;
  #live: QmpConnection | null = null;
  #wake = Promise.withResolvers<void>();
  #eventCount = 0;
  #onLost: () => void = () => undefined;
  #onEvent: OnEvent = () => undefined;
  #onCommand: OnCommand | null = null;

  constructor(path: string, timeoutMs: number, attributes: Record<string, string> = {}) {
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#attributes = attributes;
  }

  /** Whether a connection stands: the daemon on its other end runs, or died a moment ago. */
  get isConnected(): boolean {
    return this.#live?.isOpen ?? false;
  }

  /**
   * Runs one command and parses its answer. Inside a span it is a client span of its own, `qmp <command>`,
   * which holds no argument: some are secrets.
   *
   * @throws QmpCommandError when the daemon refuses, QmpUnreachableError when it does not answer
   */
  async execute<T>(command: string, args: object, result: z.ZodType<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    if (trace.getActiveSpan() === undefined) return result.parse(await this.#send(command, args, timeoutMs));
    const span = tracer.startSpan(`qmp ${command}`, {
      kind: SpanKind.CLIENT,
      attributes: { 'rpc.system': 'qmp', 'rpc.method': command, ...this.#attributes },
    });
    try {
      return await context.with(trace.setSpan(context.active(), span), async () =>
        result.parse(await this.#send(command, args, timeoutMs)),
      );
    } catch (cause) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: cause instanceof Error ? cause.message : String(cause) });
      throw cause;
    } finally {
      span.end();
    }
  }

  /** From now on, calls `listener` when a connection that stood is lost, other than by {@link close}. */
  whenLost(listener: () => void): void {
    this.#onLost = listener;
  }

  /** From now on, calls `listener` with each event of the daemon. Those sent while no connection stands are lost. */
  whenEvent(listener: OnEvent): void {
    this.#onEvent = listener;
  }

  /** From now on, waits for `listener` before each command is sent and after its answer: where specs let an agent die. */
  whenCommand(listener: OnCommand): void {
    this.#onCommand = listener;
  }

  /** How many events the daemon sent so far; for {@link nextEvent}. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /**
   * Resolves once the daemon sent more events than `seenCount`, after the time given, or when aborted, whichever is
   * first. Read the count before looking at what the event would change, and none falls in between.
   */
  async nextEvent(seenCount: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#eventCount !== seenCount) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) resolve();
    await Promise.race([promise, this.#wake.promise]);
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }

  async close(): Promise<void> {
    const opening = this.#connection;
    this.#connection = null;
    this.#live = null;
    if (opening === null) return;
    const [settled] = await Promise.allSettled([opening]);
    if (settled.status === 'fulfilled') settled.value.close();
  }

  async #send(command: string, args: object, timeoutMs: number): Promise<unknown> {
    await this.#onCommand?.('before', command);
    const connection = await this.#connected();
    const answer = await connection.execute(command, args, timeoutMs);
    await this.#onCommand?.('after', command);
    return answer;
  }

  async #connected(): Promise<QmpConnection> {
    const current = this.#connection;
    if (current !== null) {
      const connection = await current;
      if (connection.isOpen) return connection;
      if (this.#connection === current) this.#connection = null;
    }
    this.#connection ??= this.#open();
    return this.#connection;
  }

  async #open(): Promise<QmpConnection> {
    try {
      this.#live = await QmpConnection.open(this.#path, this.#timeoutMs, (event, data) => {
        this.#heard();
        this.#onEvent(event, data);
      });
      return this.#live;
    } catch (cause) {
      this.#connection = null;
      if (cause instanceof QmpUnreachableError) throw cause;
      throw new QmpUnreachableError(`cannot connect to ${this.#path}`, { cause });
    }
  }

  /** The end of a connection is heard as an event too. */
  #heard(): void {
    this.#woken();
    if (this.#live === null || this.#live.isOpen) return;
    this.#live = null;
    this.#onLost();
  }

  #woken(): void {
    this.#eventCount++;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
