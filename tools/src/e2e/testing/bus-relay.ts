import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import type { System } from './system.js';

const configuration = z.looseObject({ nats: z.looseObject({ servers: z.array(z.string()).min(1) }) });

/** Stands between one agent and NATS, so that a spec can cut that agent off and nothing else of its machine. */
export class BusRelay {
  readonly #server: Server;
  readonly #bus: URL;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(bus: URL) {
    this.#bus = bus;
    this.#server = createServer((socket) => this.#relay(socket));
  }

  /** Starts the relay and the agent anew behind it. */
  static async before(system: System, agentName: string): Promise<BusRelay> {
    const file = join(system.cluster.folders.configurations, `${agentName}.json`);
    const found = configuration.parse(JSON.parse(await readFile(file, 'utf8')));
    const relay = new BusRelay(new URL(`nats://${found.nats.servers[0]}`));
    const port = await relay.#listen();
    await system.cluster.kill(agentName, 'SIGTERM');
    const nats = { ...found.nats, servers: [`127.0.0.1:${port}`] };
    await writeFile(file, JSON.stringify({ ...found, nats }), { mode: 0o600 });
    await system.cluster.restart(agentName);
    return relay;
  }

  /** From now on nothing passes, and whoever connects is turned away. */
  cut(): void {
    this.#isCut = true;
    this.#endAll();
  }

  mend(): void {
    this.#isCut = false;
  }

  async stop(): Promise<void> {
    this.#endAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => {
        const { port }: AddressInfo = addressOf(this.#server);
        resolve(port);
      });
    });
  }

  #relay(socket: Socket): void {
    if (this.#isCut) {
      socket.destroy();
      return;
    }
    const onward = connect(Number(this.#bus.port), this.#bus.hostname);
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }

  #endAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay listens on no port');
  return address;
}
