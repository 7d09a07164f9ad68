import { createServer, type Server } from 'node:net';
import { chmod, stat } from 'node:fs/promises';
import {
  askDown,
  connectBus,
  createIdentity,
  hearDown,
  sendDown,
  ServerTooOldError,
  type Bus,
  type BusStatus,
  type Principal,
} from '@flexbso/messaging/agent';
import type { ProblemError } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../eventually.js';
import { startNats, type TestNats } from './start-nats.js';

const cardA: Principal = { kind: 'card', id: 'card-a' };
const cardB: Principal = { kind: 'card', id: 'card-b' };
const poolA: Principal = { kind: 'pool', id: 'card-a' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const noteSchema = z.strictObject({
  to: z.strictObject({ role: z.enum(['card', 'pool']), id: z.string() }),
  note: z.string(),
});
type Note = z.infer<typeof noteSchema>;

describe('connections to the bus', () => {
  let nats: TestNats;
  let bus: Bus;
  let schedulerBus: Bus;
  const statuses: BusStatus[] = [];

  beforeAll(async () => {
    nats = await startNats({ principals: [cardA, cardB, poolA, scheduler] });
    const seedFile = nats.seedFile(cardA);
    bus = await connectBus({
      servers: nats.url,
      principal: cardA,
      credentials: { seedFile },
      onStatus: (status) => statuses.push(status),
    });
    schedulerBus = await connectBus({
      servers: nats.url,
      principal: scheduler,
      credentials: { seedFile: nats.seedFile(scheduler) },
    });
  });

  afterAll(async () => {
    await bus?.close();
    await schedulerBus?.close();
    await nats?.stop();
  });

  const denied = (operation: string, subject: string) =>
    statuses.some((one) => one.type === 'permission-denied' && one.operation === operation && one.subject === subject);

  it.each([
    ['as another card', 'bso.card.card-b.up.report'],
    ['as the pool of the same id', 'bso.pool.card-a.up.report'],
    ['to its own down', 'bso.card.card-a.down.nudge'],
    ['to a service', 'bso.rpc.scheduler.create-volume'],
    ['an event', 'bso.evt.card.card-a.registered'],
    ["to another's inbox", '_INBOX.card.card-b.x'],
    ["to a service's inbox, unasked", '_INBOX.service.scheduler.x'],
    ['to the API of JetStream', '$JS.API.STREAM.INFO.BSO_EVENTS'],
    ['a consumer', '$JS.API.CONSUMER.CREATE.KV_cards.mine.$KV.cards.card-a'],
    ['a snapshot', '$KV.cards.card-a'],
  ])('does not let a card publish %s', async (_what, subject) => {
    bus.connection.publish(subject, '{}');
    await eventually(`${subject} is denied`, () => denied('publish', subject));
    expect(bus.closed).toBe(false);
  });

  it.each([
    ["another card's orders", 'bso.card.card-b.down.>'],
    ['the orders of the pool of the same id', 'bso.pool.card-a.down.>'],
    ["another's replies", '_INBOX.card.card-b.>'],
    ["a service's replies", '_INBOX.service.scheduler.>'],
    ['all replies', '_INBOX.>'],
    ['its own reports', 'bso.card.card-a.up.report'],
    ['everything', '>'],
    ['events', 'bso.evt.>'],
    ['snapshots', '$KV.cards.>'],
    ['advisories', '$JS.EVENT.ADVISORY.>'],
  ])('does not let a card hear %s', async (_what, subject) => {
    bus.connection.subscribe(subject, { callback: () => undefined });
    await eventually(`${subject} is denied`, () => denied('subscription', subject));
    expect(bus.closed).toBe(false);
  });

  it('does not let in a user that it does not know, nor one without a key of its own', async () => {
    const { seed } = createIdentity();
    const attempt = connectBus({ servers: nats.url, principal: cardB, credentials: { seed } });
    await expect(attempt).rejects.toThrow(/authorization/i);
  });

  it('refuses a seed that others may read', async () => {
    const seedFile = nats.seedFile(cardB);
    expect((await stat(seedFile)).mode & 0o777).toBe(0o600);
    await chmod(seedFile, 0o640);
    const attempt = connectBus({ servers: nats.url, principal: cardB, credentials: { seedFile } });
    await expect(attempt).rejects.toMatchObject({
      code: 'seed_file_too_open',
      message: expect.stringContaining('0640'),
    });
    await chmod(seedFile, 0o600);
  });

  it('lets an agent answer what it was asked, and refuses what names another agent', async () => {
    const heard: Note[] = [];
    const refused: ProblemError[] = [];
    const hearing = await hearDown(bus, {
      verb: 'inspect',
      schema: noteSchema,
      handler: async (note) => {
        heard.push(note);
        return `heard ${note.note}`;
      },
      onRefused: (problem) => refused.push(problem),
    });
    const to = { role: 'card', id: 'card-a' } as const;
    const schemas = { request: noteSchema, reply: z.string() };
    await expect(askDown(schedulerBus, 'inspect', schemas, { to, note: 'one' }, { timeoutMs: 5000 })).resolves.toBe(
      'heard one',
    );
    await sendDown(schedulerBus, 'inspect', noteSchema, { to, note: 'two' });
    await eventually('the notice is heard', () => heard.length === 2);

    const astray = JSON.stringify({ to: { role: 'card', id: 'card-b' }, note: 'three' });
    schedulerBus.connection.publish('bso.card.card-a.down.inspect', astray);
    schedulerBus.connection.publish('bso.card.card-a.down.inspect', 'not JSON');
    await eventually('both are refused', () => refused.length === 2);
    expect(refused.map(({ code }) => code).toSorted()).toEqual(['forbidden', 'malformed-json']);
    expect(heard).toHaveLength(2);
    await hearing.stop();
  });

  it('comes back after the server was killed and started again, and hears as before', async () => {
    const heard: string[] = [];
    const hearing = await hearDown(bus, {
      verb: 'nudge',
      schema: noteSchema,
      handler: async ({ note }) => heard.push(note),
      onRefused: () => undefined,
    });
    await nats.pause();
    await eventually('the loss is told', () => statuses.some(({ type }) => type === 'disconnected'));
    await nats.resume();
    await eventually('it is connected again', () =>
      statuses.some((one) => one.type === 'connected' && one.reconnected),
    );
    const to = { role: 'card', id: 'card-a' } as const;
    await eventually('a nudge arrives', async () => {
      await sendDown(schedulerBus, 'nudge', noteSchema, { to, note: 'again' });
      return heard.includes('again');
    });
    expect(statuses.filter(({ type }) => type === 'closed')).toEqual([]);
    await hearing.stop();
  });
});

describe('a server that is too old', () => {
  let fake: Server;
  let port: number;

  beforeAll(async () => {
    // As much of the protocol as a client needs to think itself connected.
    fake = createServer((socket) => {
      const info = {
        server_id: 'x',
        server_name: 'x',
        version: '2.9.10',
        go: 'go1.19',
        host: '127.0.0.1',
        port: 1,
        headers: true,
        max_payload: 1048576,
        proto: 1,
        client_id: 1,
      };
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('error', () => socket.destroy());
      socket.on('data', (data) => {
        if (data.includes('PING')) socket.write('PONG\r\n');
      });
    });
    await new Promise<void>((resolve) => {
      fake.listen(0, '127.0.0.1', resolve);
    });
    const address = fake.address();
    port = typeof address === 'object' && address ? address.port : 0;
  });

  afterAll(async () => {
    await new Promise((resolve) => {
      fake.close(resolve);
    });
  });

  it('is refused by name and version', async () => {
    const { seed } = createIdentity();
    const attempt = connectBus({ servers: `nats://127.0.0.1:${port}`, principal: cardA, credentials: { seed } });
    await expect(attempt).rejects.toBeInstanceOf(ServerTooOldError);
    await expect(attempt).rejects.toMatchObject({ version: '2.9.10' });
  });
});
