import { subjects } from '@flexbso/contracts';
import { type Bus, connectBus } from '@flexbso/messaging/agent';
import { type TestNats, eventually, startNats } from '@flexbso/testkit';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StubScheduler } from './stub-scheduler.js';

const BUNDLE = fileURLToPath(new URL('../../dist/bundle/agent.mjs', import.meta.url));
const ID = 'card-1';

/** A card's agent as the process that it is on its machine, with a real nats-server and stand-ins of the services on it. */
export class AgentProcess {
  readonly folder: string;
  readonly scheduler = new StubScheduler('card', ID);
  readonly #nats: TestNats;
  readonly #buses: Bus[] = [];
  readonly #dataPlane: unknown;
  #child: ChildProcess | null = null;
  output = '';

  private constructor(folder: string, nats: TestNats, dataPlane: unknown) {
    this.folder = folder;
    this.#nats = nats;
    this.#dataPlane = dataPlane;
  }

  static async prepare(dataPlaneIn: (folder: string) => unknown): Promise<AgentProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'bso-agent-'));
    const services = (['inventory', 'scheduler', 'telemetry'] as const).map((name) => ({
      kind: 'service' as const,
      name,
    }));
    const nats = await startNats({ principals: [...services, { kind: 'card', id: ID }] });
    const agent = new AgentProcess(folder, nats, dataPlaneIn(folder));
    for (const principal of services) {
      const credentials = { seedFile: nats.seedFile(principal) };
      agent.#buses.push(await connectBus({ servers: nats.url, principal, credentials }));
    }
    agent.#serve();
    return agent;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the process and gives what it prints when it is ready. */
  async start(): Promise<Record<string, unknown>> {
    const config = join(this.folder, 'agent.json');
    await writeFile(config, JSON.stringify(this.#config()));
    this.output = '';
    const env = { ...process.env, NODE_COMPILE_CACHE: join(this.folder, 'compile-cache'), OTEL_SDK_DISABLED: 'true' };
    const child = spawn(process.execPath, [BUNDLE, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    let ready = '';
    child.stdout.on('data', (data: Buffer) => {
      ready += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      this.output += data.toString();
    });
    await eventually(`the agent is ready`, () => ready.includes('\n') || child.exitCode !== null);
    if (!ready.includes('\n')) throw new Error(`the agent did not start: ${this.output}`);
    const line: unknown = JSON.parse(ready);
    return typeof line === 'object' && line !== null ? { ...line } : {};
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  async dispose(): Promise<void> {
    await this.end('SIGKILL');
    // One that dies while it probes leaves the daemon that it asked, for its next life to find.
    for (const pid of await this.#dataPlanes()) process.kill(pid, 'SIGKILL');
    for (const bus of this.#buses) await bus.close();
    await this.#nats.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Every process that serves a socket in the folder. */
  async #dataPlanes(): Promise<number[]> {
    const found: number[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const [read] = await Promise.allSettled([readFile(`/proc/${pid}/cmdline`, 'utf8')]);
      // A process that ended meanwhile is none.
      if (read.status === 'fulfilled' && read.value.includes(`path=${this.folder}/`)) found.push(Number(pid));
    }
    return found;
  }

  #serve(): void {
    const [inventory, scheduler, telemetry] = this.#buses;
    for (const verb of ['register', 'heartbeat'] as const) this.#answer(inventory, verb);
    for (const verb of ['desired', 'report'] as const) this.#answer(scheduler, verb);
    telemetry?.connection.subscribe(subjects.upOfAll('card', 'measure'), {
      callback: () => {
        this.scheduler.measures++;
      },
    });
    this.scheduler.nudgeBy(async (payload) => {
      scheduler?.connection.publish(subjects.down('card', ID, 'nudge'), JSON.stringify(payload));
    });
  }

  #answer(bus: Bus | undefined, verb: 'register' | 'heartbeat' | 'desired' | 'report'): void {
    bus?.connection.subscribe(subjects.upOfAll('card', verb), {
      callback: (_error, message) => {
        message.respond(JSON.stringify({ ok: true, value: this.scheduler.answer(verb, message.json()) }));
      },
    });
  }

  #config() {
    return {
      role: 'card',
      id: ID,
      serial: 'serial-1',
      hostId: 'host-1',
      model: 'stand-in',
      failureDomain: { host: 'host-1', rack: 'rack-1' },
      nats: { servers: [this.#nats.url], seedFile: this.#nats.seedFile({ kind: 'card', id: ID }) },
      sealingSeedFile: join(this.folder, 'sealing.seed'),
      stateDirectory: join(this.folder, 'state'),
      dataPlane: this.#dataPlane,
      timings: { beatMs: 500, measureMs: 200 },
    };
  }
}
