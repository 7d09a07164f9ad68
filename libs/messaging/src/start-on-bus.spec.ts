import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createIdentity } from './identity/keys.js';
import { SeedFileError } from './identity/seed-file.js';
import { BusStartError, connectService } from './start-on-bus.js';

const principal = { kind: 'service', name: 'scheduler' } as const;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A port of ours on which nobody speaks NATS: each connection is closed. */
async function deadServer(): Promise<string> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => void (await new Promise((done) => server.close(done))));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return `nats://127.0.0.1:${address.port}`;
}

it('a service whose bus stays away tries again, and then says which server and which part', async () => {
  const servers = await deadServer();
  const retried: string[] = [];
  const started = connectService({
    servers,
    principal,
    credentials: { seed: createIdentity().seed },
    onRetry: (what) => retried.push(what),
    limitMs: 500,
  });
  const error: unknown = await started.catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(BusStartError);
  expect(String(error)).toContain(servers);
  expect(String(error)).toContain('the connection');
  expect(retried.length).toBeGreaterThan(0);
});

it('what no repeat cures is told at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flexbso-start-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  const retried: string[] = [];
  const started = connectService({
    servers: await deadServer(),
    principal,
    credentials: { seedFile: join(folder, 'none.seed') },
    onRetry: (what) => retried.push(what),
  });
  await expect(started).rejects.toThrow(SeedFileError);
  expect(retried).toEqual([]);
});
