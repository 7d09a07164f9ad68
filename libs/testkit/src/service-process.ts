import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';

/** What `/readyz` says of a service of which one process at a time is active. */
export type ServiceRole = 'active' | 'standby' | 'none';

/** A service as the process that it is in production: for tests that stop, kill and replace it. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #healthUrl: string;
  readonly #said: string[] = [];

  private constructor(child: ChildProcess, healthUrl: string) {
    this.#child = child;
    this.#healthUrl = healthUrl;
    for (const stream of [child.stdout, child.stderr]) {
      // The last lines are enough to say why a test failed.
      stream?.setEncoding('utf8').on('data', (text: string) => void (this.#said.push(text) > 50 && this.#said.shift()));
    }
  }

  /**
   * Starts it; it may not answer yet.
   * @param mainPath of the built service
   * @param configFile where to write its configuration
   * @param configuration everything but `health`
   */
  static async start(mainPath: string, configFile: string, configuration: object): Promise<ServiceProcess> {
    const port = await freePort();
    await writeFile(configFile, JSON.stringify({ ...configuration, health: { port } }), { mode: 0o600 });
    const env = { ...process.env, OTEL_SDK_DISABLED: 'true' };
    const child = spawn(process.execPath, [mainPath, '--config', configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
    return new ServiceProcess(child, `http://127.0.0.1:${port}`);
  }

  get output(): string {
    return this.#said.join('');
  }

  /** @throws what it said, when it has ended or is not so in time */
  async until(role: ServiceRole, timeoutMs?: number): Promise<void> {
    const isEnded = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    const reached = async () => isEnded() || (await this.#role()) === role;
    await eventually(`a service is ${role}`, reached, timeoutMs).catch((cause: unknown) => {
      throw new Error(`it said: ${this.output}`, { cause });
    });
    if (isEnded()) throw new Error(`it ended and said: ${this.output}`);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /** @returns its exit status; null: a signal ended it */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    // Ends a stopped process too.
    this.#child.kill('SIGKILL');
    await this.ended();
  }

  async #role(): Promise<ServiceRole> {
    try {
      const response = await fetch(`${this.#healthUrl}/readyz`, { signal: AbortSignal.timeout(1_000) });
      const body: unknown = await response.json();
      const role: unknown = typeof body === 'object' && body !== null && 'role' in body ? body.role : null;
      return role === 'active' || role === 'standby' ? role : 'none';
    } catch {
      // Not listening yet, or stopped: whoever waits looks again.
      return 'none';
    }
  }
}
