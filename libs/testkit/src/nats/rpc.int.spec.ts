import {
  FromAgents,
  NatsRpcServer,
  request,
  Rpc,
  RpcClient,
  type Bus,
  type BusContext,
  type Quarantine,
} from '@flexbso/messaging';
import { connectBus, sendUp, type Principal } from '@flexbso/messaging/agent';
import { ProblemError, subjects, MAX_MESSAGE_BYTES } from '@flexbso/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../eventually.js';
import { listenWith } from './nest-app.js';
import { startNats, type TestNats } from './start-nats.js';

const numberSchema = z.strictObject({ number: z.int().min(0) });
const doubleSchemas = { request: numberSchema, reply: z.strictObject({ doubled: z.number() }) };
const anySchemas = { request: z.unknown(), reply: z.unknown() };
const subject = (verb: string) => subjects.rpc('scheduler', verb);

const heard: Array<{ number: number; context: BusContext }> = [];
const gates = new Map<number, PromiseWithResolvers<void>>();
const waiting = new Set<number>();

@Controller()
class Handlers {
  @Rpc(subject('double'), numberSchema)
  double({ number }: { number: number }): { doubled: number } {
    return { doubled: number * 2 };
  }

  @Rpc(subject('refuse'), numberSchema)
  refuse(): never {
    throw new ProblemError({ code: 'pool-full', detail: 'pool-1 has no room', facts: { poolId: 'pool-1' } });
  }

  @Rpc(subject('crash'), numberSchema)
  crash(): never {
    throw new Error('a secret of the service');
  }

  @Rpc(subject('nothing'), z.unknown())
  nothing(): void {}

  @Rpc(subject('wait'), numberSchema)
  async wait({ number }: { number: number }): Promise<number> {
    waiting.add(number);
    await gates.get(number)?.promise;
    return number;
  }

  @FromAgents(['card', 'pool'], 'report', numberSchema)
  report({ number }: { number: number }, context: BusContext): { accepted: number } {
    heard.push({ number, context });
    return { accepted: number };
  }
}

const problemOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    (value) => new Error(`answered ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProblemError)) throw error;
  return error.problem;
};

const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const gateway: Principal = { kind: 'service', name: 'gateway' };
const card: Principal = { kind: 'card', id: 'card-1' };

describe('requests over the bus', () => {
  let nats: TestNats;
  let schedulerBus: Bus;
  let gatewayBus: Bus;
  let cardBus: Bus;
  let server: NatsRpcServer;
  let app: INestMicroservice;
  const quarantines: Quarantine[] = [];
  let isServing = true;
  const failures: Array<{ subject: string; error: unknown; traceId: string }> = [];
  const open = (principal: Principal) =>
    connectBus({ servers: nats.url, principal, credentials: { seedFile: nats.seedFile(principal) } });

  beforeAll(async () => {
    nats = await startNats({ principals: [scheduler, gateway, card] });
    [schedulerBus, gatewayBus, cardBus] = await Promise.all([open(scheduler), open(gateway), open(card)]);
    server = new NatsRpcServer({
      bus: schedulerBus,
      concurrency: 2,
      queueLength: 1,
      isServing: () => isServing,
      onQuarantine: (quarantine) => quarantines.push(quarantine),
      onError: (failure) => failures.push(failure),
    });
    app = await listenWith(Handlers, server);
  });

  afterAll(async () => {
    await app?.close();
    await Promise.all([schedulerBus, gatewayBus, cardBus].map((bus) => bus?.close()));
    await nats?.stop();
  });

  const refusalBy = (verb: string, timeoutMs: number) =>
    problemOf(request(gatewayBus, subject(verb), anySchemas, { number: 77 }, { timeoutMs }));

  it('answers nothing while another process may serve, not even what was asked before', async () => {
    const gate = Promise.withResolvers<void>();
    gates.set(77, gate);
    const asked = refusalBy('wait', 1_000);
    await eventually('the handler runs', () => waiting.has(77));
    isServing = false;
    gate.resolve();
    expect([(await asked).code, (await refusalBy('refuse', 200)).code]).toEqual([
      'deadline-exceeded',
      'deadline-exceeded',
    ]);
    isServing = true;
    expect((await refusalBy('refuse', 5_000)).code).toBe('pool-full');
  });

  it('answers what a handler returns', async () => {
    const client = new RpcClient(gatewayBus);
    await expect(
      client.call('scheduler', 'double', doubleSchemas, { number: 21 }, { timeoutMs: 5000 }),
    ).resolves.toEqual({
      doubled: 42,
    });
    const nothing = { request: z.null(), reply: z.null() };
    await expect(request(gatewayBus, subject('nothing'), nothing, null, { timeoutMs: 5000 })).resolves.toBeNull();
  });

  it('passes a problem on with its code, its words and its facts', async () => {
    const problem = await problemOf(
      request(gatewayBus, subject('refuse'), anySchemas, { number: 1 }, { timeoutMs: 5000 }),
    );
    expect(problem).toEqual({ code: 'pool-full', detail: 'pool-1 has no room', facts: { poolId: 'pool-1' } });
  });

  it('tells nothing of a failure but that there was one', async () => {
    const problem = await problemOf(
      request(gatewayBus, subject('crash'), anySchemas, { number: 1 }, { timeoutMs: 5000 }),
    );
    expect(problem.code).toBe('internal');
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(failures.at(-1)).toMatchObject({ subject: subject('crash'), error: { message: 'a secret of the service' } });
  });

  it.each([
    ['an unknown field', { number: 1, more: true }, 'invalid-request'],
    ['a negative number', { number: -1 }, 'invalid-request'],
    ['too many bytes', { number: 1, padding: 'x'.repeat(MAX_MESSAGE_BYTES) }, 'body-too-large'],
  ])('refuses a request with %s and lives on', async (_what, payload, code) => {
    const problem = await problemOf(request(gatewayBus, subject('double'), anySchemas, payload, { timeoutMs: 5000 }));
    expect(problem.code).toBe(code);
    await expect(
      request(gatewayBus, subject('double'), doubleSchemas, { number: 1 }, { timeoutMs: 5000 }),
    ).resolves.toEqual({ doubled: 2 });
  });

  it('refuses a request that is not JSON', async () => {
    const { data } = await gatewayBus.connection.request(subject('double'), '{"number":', { timeout: 5000 });
    expect(JSON.parse(new TextDecoder().decode(data))).toMatchObject({
      ok: false,
      problem: { code: 'malformed-json' },
    });
  });

  it('refuses at the asker what does not fit the schema, before anything is sent', async () => {
    const before = server.stats;
    const problem = await problemOf(
      request(gatewayBus, subject('double'), doubleSchemas, { number: -1 }, { timeoutMs: 5000 }),
    );
    expect(problem.code).toBe('invalid-request');
    expect(server.stats).toEqual(before);
  });

  it('blames the service for a reply that does not fit the schema', async () => {
    const schemas = { request: numberSchema, reply: z.strictObject({ tripled: z.number() }) };
    const problem = await problemOf(
      request(gatewayBus, subject('double'), schemas, { number: 1 }, { timeoutMs: 5000 }),
    );
    expect(problem).toMatchObject({ code: 'internal', detail: expect.stringContaining(subject('double')) });
  });

  it('gives up at the deadline, and at once when nobody listens', async () => {
    gates.set(1, Promise.withResolvers());
    const late = await problemOf(request(gatewayBus, subject('wait'), anySchemas, { number: 1 }, { timeoutMs: 50 }));
    expect(late).toMatchObject({ code: 'deadline-exceeded', facts: { timeoutMs: 50 } });
    gates.get(1)?.resolve();
    const nobody = await problemOf(request(gatewayBus, subject('unheard-of'), anySchemas, {}, { timeoutMs: 5000 }));
    expect(nobody.code).toBe('unavailable');
  });

  it('holds what is asked while the bus is away until it is back, or says that it was not sent', async () => {
    await nats.pause();
    await eventually('the loss is seen', async () => !(await gatewayBus.connectedWithin(0)));
    const unsent = await problemOf(
      request(gatewayBus, subject('double'), doubleSchemas, { number: 1 }, { timeoutMs: 50 }),
    );
    expect(unsent).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('was not sent') });
    const held = problemOf(request(gatewayBus, subject('unheard-of'), anySchemas, {}, { timeoutMs: 60_000 }));
    await nats.resume();
    // It waits for a service that may be later on the bus again than who asks.
    const answer = await request(gatewayBus, subject('double'), doubleSchemas, { number: 21 }, { timeoutMs: 60_000 });
    expect(answer).toEqual({ doubled: 42 });
    // Its own deadline is not what ended it: it reached the server, which knows that nobody listens.
    expect(await held).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('nobody answers') });
  });

  it('turns away what exceeds its handlers and its queue', async () => {
    for (const number of [11, 12]) gates.set(number, Promise.withResolvers());
    const schemas = { request: numberSchema, reply: z.number() };
    const ask = (number: number) => request(gatewayBus, subject('wait'), schemas, { number }, { timeoutMs: 20_000 });
    const running = [ask(11), ask(12)];
    await eventually('two handlers run', () => waiting.has(11) && waiting.has(12));
    const more = [ask(13), ask(14)];
    const problem = await problemOf(Promise.race(more.map((one) => one.then(() => new Promise(() => undefined)))));
    expect(problem.code).toBe('too-many-requests');
    for (const number of [11, 12]) gates.get(number)?.resolve();
    expect(await Promise.all(running)).toEqual([11, 12]);
    const outcomes = await Promise.allSettled(more);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('tells a handler which agent spoke, by the subject', async () => {
    const reply = z.strictObject({ accepted: z.number() });
    const up = subjects.up('card', 'card-1', 'report');
    await expect(
      request(cardBus, up, { request: numberSchema, reply }, { number: 5 }, { timeoutMs: 5000 }),
    ).resolves.toEqual({ accepted: 5 });
    expect(heard.at(-1)?.context.requireSender()).toEqual({ role: 'card', id: 'card-1' });
    await sendUp(cardBus, 'report', numberSchema, { number: 6 });
    await eventually('the notice is heard', () => heard.at(-1)?.number === 6);
  });

  it.each(['bso.rpc.scheduler.double', '_INBOX.card.card-2.x', '_INBOX.service.gateway.x', '$JS.API.STREAM.LIST'])(
    'does not answer an agent on %s, and quarantines it',
    async (replySubject) => {
      const before = { quarantines: quarantines.length, heard: heard.length };
      const up = subjects.up('card', 'card-1', 'report');
      cardBus.connection.publish(up, JSON.stringify({ number: 99 }), { reply: replySubject });
      await eventually('the agent is quarantined', () => quarantines.length === before.quarantines + 1);
      expect(quarantines.at(-1)).toEqual({ role: 'card', id: 'card-1', subject: up, replySubject });
      expect(heard).toHaveLength(before.heard);
    },
  );

  it('drops a request of a service that names a foreign reply subject', async () => {
    const before = server.stats;
    gatewayBus.connection.publish(subject('double'), '{"number":1}', { reply: '_INBOX.card.card-1.x' });
    await eventually('it is dropped', () => server.stats.dropped === before.dropped + 1);
    expect(server.stats.handled).toBe(before.handled);
  });

  it('ends what runs, and answers it, before it is closed', async () => {
    gates.set(31, Promise.withResolvers());
    const last = request(gatewayBus, subject('wait'), anySchemas, { number: 31 }, { timeoutMs: 20_000 });
    await eventually('the handler runs', () => waiting.has(31));
    const closed = server.close();
    gates.get(31)?.resolve();
    await expect(last).resolves.toBe(31);
    await closed;
    const problem = await problemOf(
      request(gatewayBus, subject('double'), anySchemas, { number: 1 }, { timeoutMs: 5000 }),
    );
    expect(problem.code).toBe('unavailable');
  });
});
