import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { BsoEvent } from '@flexbso/contracts';

/** Below the 30 to 60 s after which proxies and browsers give up a silent connection. */
const keepAliveMs = 15_000;
/** A client that takes nothing for this long is gone or hopelessly behind; it resumes from the last id that it has. */
const defaultSlowLimitMs = 10_000;
/** What a client waits before it connects again. */
const retryMs = 2_000;

/**
 * Writes one client's server-sent events. Nothing is buffered beyond what the socket takes: the next event is read
 * only when this one is written.
 */
export class EventWriter {
  readonly #response: ServerResponse;
  readonly #slowLimitMs: number;
  readonly #keepAlive: NodeJS.Timeout;

  constructor(response: ServerResponse, headers: Record<string, string>, slowLimitMs: number = defaultSlowLimitMs) {
    this.#response = response;
    this.#slowLimitMs = slowLimitMs;
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // For nginx, which would hold events back until its buffer is full.
      'x-accel-buffering': 'no',
    });
    response.write(`retry: ${retryMs}\n: connected\n\n`);
    this.#keepAlive = setInterval(() => {
      if (!response.writableNeedDrain && !response.writableEnded) response.write(': still here\n\n');
    }, keepAliveMs);
    response.once('close', () => clearInterval(this.#keepAlive));
  }

  /** @returns whether the client is still there */
  event(sequence: number, event: BsoEvent): Promise<boolean> {
    return this.#write(`id: ${sequence}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  /** Events between the two are not kept any more, or the stream began anew. */
  gap(lastEventId: number, firstKeptId: number): Promise<boolean> {
    return this.#write(`event: gap\ndata: ${JSON.stringify({ lastEventId, firstKeptId })}\n\n`);
  }

  end(): void {
    clearInterval(this.#keepAlive);
    if (!this.#response.destroyed) this.#response.end();
  }

  async #write(text: string): Promise<boolean> {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return false;
    if (response.write(text)) return true;
    if (await this.#drained()) return true;
    response.destroy();
    return false;
  }

  async #drained(): Promise<boolean> {
    const limit = AbortSignal.timeout(this.#slowLimitMs);
    const closed = new AbortController();
    const close = () => closed.abort();
    this.#response.once('close', close);
    try {
      await once(this.#response, 'drain', { signal: AbortSignal.any([limit, closed.signal]) });
      return true;
    } catch {
      // Too slow, or gone: both end this stream and nothing else.
      return false;
    } finally {
      this.#response.off('close', close);
    }
  }
}
