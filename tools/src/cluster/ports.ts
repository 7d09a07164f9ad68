import { createServer } from 'node:net';

/** Ports of one system, chosen at its first start and kept, so that a restart finds everything where it was. */
export interface ClusterPorts {
  readonly nats: number;
  readonly gateway: number;
  readonly otlp: number;
  /** This and the standbys' are used on PostgreSQL only. */
  readonly postgresql: number;
  /** Health and metrics of each service. */
  readonly inventoryHealth: number;
  readonly schedulerHealth: number;
  readonly telemetryHealth: number;
  readonly secondInventoryHealth: number;
  readonly secondSchedulerHealth: number;
  /** By storage target: the first of its ports for legs. */
  readonly legs: Readonly<Record<string, number>>;
}

/** Ports that a storage target may serve legs on; more than a stand-in's pool can hold. */
export const LEG_PORTS_PER_POOL = 100;
/** Below the ephemeral range of Linux (32768 on), so that no outgoing connection takes one in between. */
const FIRST_LEG_PORT = 20_000;
const LAST_LEG_PORT = 32_000;

export async function choosePorts(poolIds: readonly string[], gateway: number | null): Promise<ClusterPorts> {
  const free = await freePorts(9);
  const next = (): number => {
    const port = free.pop();
    if (port === undefined) throw new Error('fewer ports were asked for than are handed out');
    return port;
  };
  const span = Math.floor((LAST_LEG_PORT - FIRST_LEG_PORT) / LEG_PORTS_PER_POOL) - poolIds.length;
  const start = FIRST_LEG_PORT + Math.floor(Math.random() * span) * LEG_PORTS_PER_POOL;
  return {
    nats: next(),
    gateway: gateway ?? next(),
    otlp: next(),
    inventoryHealth: next(),
    schedulerHealth: next(),
    telemetryHealth: next(),
    postgresql: next(),
    secondInventoryHealth: next(),
    secondSchedulerHealth: next(),
    legs: Object.fromEntries(poolIds.map((poolId, index) => [poolId, start + index * LEG_PORTS_PER_POOL])),
  };
}

/** Ports that nobody listened on a moment ago, all held at once so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  return Promise.all(
    servers.map((server) => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
      return new Promise<number>((resolve) => server.close(() => resolve(address.port)));
    }),
  );
}

/** Whether somebody listens on a port of this machine. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)));
  });
}
