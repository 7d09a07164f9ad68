import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceName } from '@flexbso/contracts';
import { type Bus, connectBus } from '@flexbso/messaging';
import { logTo, startObservability } from '@flexbso/observability';
import { startNats, type TestNats } from '@flexbso/testkit';
import { gatewayConfigSchema } from '../config.js';
import { type RunningGateway, startGateway } from '../gateway.js';
import type { ServedRoute } from '../http-server.js';
import type { ApiToken } from '../tokens/token-file.js';
import { type FakeBuses, Script, startFakes } from './fakes.js';

/** Tokens by what they may do; the secret is the name. */
export const secrets = { operator: 'the-operator', viewer: 'the-viewer', tenant: 'the-tenant', expired: 'the-expired' };

const services = ['inventory', 'scheduler', 'telemetry', 'gateway'] as const;

/** A gateway in this process, the real nats-server, and fakes of the services behind it. */
export interface GatewayUnderTest {
  readonly url: string;
  readonly nats: TestNats;
  readonly script: Script;
  readonly routes: readonly ServedRoute[];
  /** What this process logs. */
  readonly logLines: readonly string[];
  /** A folder of its own, with `tokens.json` in it. */
  readonly folder: string;
  bus(service: Exclude<ServiceName, 'gateway'>): Bus;
  /** Takes the fakes off the bus. */
  stopFakes(): Promise<void>;
  stop(): Promise<void>;
}

export async function startGatewayUnderTest(): Promise<GatewayUnderTest> {
  const logLines: string[] = [];
  logTo({ write: (line) => void logLines.push(line) }, 'info');
  const observability = startObservability({ serviceName: 'gateway', serviceVersion: '0' });
  const folder = await mkdtemp(join(tmpdir(), 'flexbso-gateway-'));
  const principals = services.map((name) => ({ kind: 'service' as const, name }));
  const nats = await startNats({ principals });
  const connect = (name: ServiceName) => {
    const principal = { kind: 'service', name } as const;
    return connectBus({ servers: nats.url, principal, credentials: { seedFile: nats.seedFile(principal) } });
  };
  const buses: FakeBuses = {
    inventory: await connect('inventory'),
    scheduler: await connect('scheduler'),
    telemetry: await connect('telemetry'),
  };
  const script = new Script();
  const fakes = await startFakes(buses, script);
  const tokensFile = join(folder, 'tokens.json');
  await writeTokens(tokensFile);
  const routes: ServedRoute[] = [];
  const gateway = await start(nats, tokensFile, routes);
  return {
    url: gateway.url,
    nats,
    script,
    routes,
    logLines,
    folder,
    bus: (service) => buses[service],
    stopFakes: () => fakes.stop(),
    stop: async () => {
      await gateway.stop();
      await fakes.stop();
      for (const bus of Object.values(buses)) await bus.close();
      await nats.stop();
      await observability.stop();
      logTo(undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function start(nats: TestNats, tokensFile: string, routes: ServedRoute[]): Promise<RunningGateway> {
  const config = gatewayConfigSchema.parse({
    nats: { servers: [nats.url], seedFile: nats.seedFile({ kind: 'service', name: 'gateway' }) },
    listen: { port: 0 },
    tokensFile,
  });
  return startGateway(config, { prometheusText: async () => 'up 1\n', onRoute: (route) => void routes.push(route) });
}

const token = (secret: string, own: Partial<ApiToken>): ApiToken => ({
  name: secret,
  tokenSha256: createHash('sha256').update(secret).digest('hex'),
  role: 'viewer',
  tenantId: null,
  expiresAtMs: null,
  ...own,
});

export async function writeTokens(path: string, leftOut: readonly string[] = []): Promise<void> {
  const tokens = [
    token(secrets.operator, { role: 'operator' }),
    token(secrets.viewer, {}),
    token(secrets.tenant, { tenantId: 'blue' }),
    token(secrets.expired, { role: 'admin', expiresAtMs: 1 }),
  ].filter(({ name }) => !leftOut.includes(name));
  await writeFile(path, JSON.stringify(tokens), { mode: 0o600 });
}
