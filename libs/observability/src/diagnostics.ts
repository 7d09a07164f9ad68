import type { DiagLogger } from '@opentelemetry/api';
import { logger } from './logger.js';

/** A collector that is away fails every half second; once a minute is enough to know it. */
const repeatAfterMs = 60_000;
/** Distinct complaints remembered; more than this means that they are not constant, and then the oldest goes. */
const maxRemembered = 100;

/** OpenTelemetry's complaints about itself, in our log, each at most once a minute. */
export class QuietDiagnostics implements DiagLogger {
  readonly #lastAtMs = new Map<string, number>();
  readonly #log = logger('opentelemetry');

  error(complaint: string, ...facts: unknown[]): void {
    this.#complain(complaint, facts);
  }
  warn(complaint: string, ...facts: unknown[]): void {
    this.#complain(complaint, facts);
  }
  info(): void {}
  debug(): void {}
  verbose(): void {}

  #complain(complaint: string, facts: unknown[]): void {
    const nowMs = performance.now();
    if (nowMs - (this.#lastAtMs.get(complaint) ?? -repeatAfterMs) < repeatAfterMs) return;
    this.#lastAtMs.set(complaint, nowMs);
    const [oldest] = this.#lastAtMs.keys();
    if (this.#lastAtMs.size > maxRemembered && oldest !== undefined) this.#lastAtMs.delete(oldest);
    this.#log.warn('telemetry has a problem', { complaint, details: facts });
  }
}
