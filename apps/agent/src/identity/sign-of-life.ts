import { open, utimes } from 'node:fs/promises';
import type { AgentLog } from '../ports/log.js';

/** How exactly the end of an agent's life is known to the next one. */
const SIGN_EVERY_MS = 1_000;

/**
 * A file whose time of change says when an agent of this state folder last lived. It is not synced: after a crash of
 * the machine it may be half a minute early (the kernel's dirty_expire_centisecs), never late.
 */
export class SignOfLife {
  /** When the life before this one gave its last sign; null: there was none. In ms since the epoch. */
  readonly previousMs: number | null;
  readonly #timer: NodeJS.Timeout;

  private constructor(path: string, previousMs: number | null, log: AgentLog) {
    this.previousMs = previousMs;
    this.#timer = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch((error: unknown) => log.warn('no sign of life was left', { error: String(error) }));
    }, SIGN_EVERY_MS);
    this.#timer.unref();
  }

  static async begin(path: string, log: AgentLog): Promise<SignOfLife> {
    const file = await open(path, 'a', 0o600);
    const { size, mtimeMs } = await file.stat();
    // A file that is empty was made just now.
    if (size === 0) await file.write('its time of change is when an agent last lived here\n');
    await file.close();
    return new SignOfLife(path, size === 0 ? null : Math.floor(mtimeMs), log);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
