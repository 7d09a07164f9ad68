import { connectBus, type Principal } from '@flexbso/messaging/agent';
import {
  ensureEventStream,
  ensureStream,
  eventStreamSettings,
  EventServer,
  FromEvents,
  publishEvent,
  readEvents,
  type Bus,
  type EventContext,
  type EventServerOptions,
  type PoisonEvent,
} from '@flexbso/messaging';
import { subjects } from '@flexbso/contracts';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../eventually.js';
import { listenWith } from './nest-app.js';
import { startNats, type TestNats } from './start-nats.js';

const factSchema = z.strictObject({ fact: z.string() });
type Fact = z.infer<typeof factSchema>;

/** What the handlers met; each test uses ids of its own. */
const deliveries: Array<{ fact: string; messageId: string | null; deliveryCount: number }> = [];
const failuresLeft = new Map<string, number>();
const gates = new Map<string, PromiseWithResolvers<void>>();

@Controller()
class Handlers {
  @FromEvents('bso.evt.card.>', factSchema)
  async card({ fact }: Fact, context: EventContext): Promise<void> {
    deliveries.push({ fact, messageId: context.messageId, deliveryCount: context.deliveryCount });
    await gates.get(fact)?.promise;
    const left = failuresLeft.get(fact) ?? 0;
    if (left > 0) {
      failuresLeft.set(fact, left - 1);
      throw new Error('the database is away');
    }
  }
}

const telemetry: Principal = { kind: 'service', name: 'telemetry' };
const scheduler: Principal = { kind: 'service', name: 'scheduler' };
const event = (what: string) => subjects.event('card', 'card-1', what);
const seen = (fact: string) => deliveries.filter((one) => one.fact === fact);

describe('facts on the event stream', () => {
  let nats: TestNats;
  let writer: Bus;
  let reader: Bus;
  let app: INestMicroservice | null = null;
  const open = (principal: Principal) =>
    connectBus({ servers: nats.url, principal, credentials: { seedFile: nats.seedFile(principal) } });

  beforeAll(async () => {
    nats = await startNats({ principals: [telemetry, scheduler] });
    [writer, reader] = await Promise.all([open(scheduler), open(telemetry)]);
    await ensureEventStream(reader);
  });

  afterEach(async () => {
    await app?.close();
    app = null;
  });

  afterAll(async () => {
    await writer?.close();
    await reader?.close();
    await nats?.stop();
  });

  const serve = async (options: Partial<EventServerOptions> = {}) => {
    const server = new EventServer({ bus: reader, durable: 'telemetry', retry: { firstMs: 1, maxMs: 2 }, ...options });
    app = await listenWith(Handlers, server);
    return server;
  };

  it('keeps the stream as it was asked to, however often', async () => {
    await ensureEventStream(writer);
    const info = await ensureStream(writer, eventStreamSettings);
    expect(info.config).toMatchObject({
      max_bytes: 256 * 1024 ** 2,
      retention: 'limits',
      storage: 'file',
      discard: 'old',
    });
  });

  it('refuses a server that keeps a stream otherwise', async () => {
    // To an older server a newer setting is like this one.
    const settings = Object.assign({ no_such_setting: 7 }, eventStreamSettings);
    const attempt = ensureStream(writer, settings);
    await expect(attempt).rejects.toMatchObject({ code: 'stream_settings_differ', stream: 'BSO_EVENTS' });
  });

  it('stores one event for one message id', async () => {
    const first = await publishEvent(writer, event('once'), { fact: 'once' }, { messageId: 'id-once' });
    const second = await publishEvent(writer, event('once'), { fact: 'once' }, { messageId: 'id-once' });
    expect(second).toEqual({ sequence: first.sequence, duplicate: true });
  });

  it('hands each event to its handler and confirms it', async () => {
    await publishEvent(writer, event('plain'), { fact: 'plain' }, { messageId: 'id-plain' });
    const server = await serve();
    await eventually('it is handled', () => seen('plain').length === 1);
    expect(seen('plain')[0]).toEqual({ fact: 'plain', messageId: 'id-plain', deliveryCount: 1 });
    await eventually('what came before is handled too', () => server.stats.handled >= 2);
    expect(server.stats).toMatchObject({ retried: 0, poisoned: 0, unconfirmed: 0 });
  });

  it('delivers again what a handler failed at, until it succeeds', async () => {
    failuresLeft.set('shaky', 2);
    const server = await serve();
    await publishEvent(writer, event('shaky'), { fact: 'shaky' }, { messageId: 'id-shaky' });
    await eventually('it is handled', () => server.stats.handled === 1);
    expect(seen('shaky').map(({ deliveryCount }) => deliveryCount)).toEqual([1, 2, 3]);
    expect(server.stats.retried).toBe(2);
  });

  it('gives up after the allowed deliveries, and says so', async () => {
    failuresLeft.set('hopeless', 1000);
    const poisoned: PoisonEvent[] = [];
    await serve({ maxDeliveries: 3, onPoison: (poison) => poisoned.push(poison) });
    await publishEvent(writer, event('hopeless'), { fact: 'hopeless' }, { messageId: 'id-hopeless' });
    await eventually('it is given up', () => poisoned.length === 1);
    expect(poisoned[0]).toMatchObject({ reason: 'failed', deliveryCount: 3, subject: event('hopeless') });
    expect(seen('hopeless')).toHaveLength(3);
  });

  it('sets aside what fits no schema at once, and goes on with the next', async () => {
    const poisoned: PoisonEvent[] = [];
    await serve({ onPoison: (poison) => poisoned.push(poison) });
    await publishEvent(writer, event('strange'), { fact: 7 }, { messageId: 'id-strange' });
    await publishEvent(writer, event('sound'), { fact: 'sound' }, { messageId: 'id-sound' });
    await eventually('both are done with', () => poisoned.length === 1 && seen('sound').length === 1);
    expect(poisoned[0]).toMatchObject({ reason: 'invalid', deliveryCount: 1, error: { code: 'invalid-request' } });
  });

  it('lets a handler take longer than the wait for its acknowledgement', async () => {
    gates.set('slow', Promise.withResolvers());
    const server = await serve({ ackWaitMs: 300 });
    await publishEvent(writer, event('slow'), { fact: 'slow' }, { messageId: 'id-slow' });
    await eventually('it has begun', () => seen('slow').length === 1);
    const began = performance.now();
    await eventually('three waits are over', () => performance.now() - began > 900);
    gates.get('slow')?.resolve();
    await eventually('it is handled', () => server.stats.handled === 1);
    expect(seen('slow')).toHaveLength(1);
  });

  it('ends what runs before it is closed, and another goes on after it', async () => {
    gates.set('closing', Promise.withResolvers());
    const server = await serve();
    await publishEvent(writer, event('closing'), { fact: 'closing' }, { messageId: 'id-closing' });
    await eventually('it has begun', () => seen('closing').length === 1);
    const closed = server.close();
    gates.get('closing')?.resolve();
    await closed;
    await publishEvent(writer, event('after'), { fact: 'after' }, { messageId: 'id-after' });
    expect(server.stats).toMatchObject({ handled: 1, unconfirmed: 0 });
    await serve();
    await eventually('the next is handled', () => seen('after').length === 1);
    expect(seen('closing')).toHaveLength(1);
  });

  it('reads in order from a sequence, and ends when it is told to', async () => {
    const first = await publishEvent(writer, event('read-1'), { fact: 'read-1' }, { messageId: 'id-read-1' });
    await publishEvent(writer, event('read-x'), { other: true }, { messageId: 'id-read-x' });
    const stop = new AbortController();
    const invalid: number[] = [];
    const facts: string[] = [];
    const reading = readEvents(reader, {
      schema: factSchema,
      fromSequence: first.sequence,
      signal: stop.signal,
      onInvalid: (sequence) => invalid.push(sequence),
    });
    const done = (async () => {
      for await (const { payload } of reading) facts.push(payload.fact);
    })();
    await eventually('the first is read', () => facts.length === 1);
    await publishEvent(writer, event('read-2'), { fact: 'read-2' }, { messageId: 'id-read-2' });
    await eventually('the second is read', () => facts.length === 2);
    stop.abort();
    await done;
    expect(facts).toEqual(['read-1', 'read-2']);
    expect(invalid).toEqual([first.sequence + 1]);
  });

  it('loses nothing when the server is killed and comes back', async () => {
    await serve();
    const before = await publishEvent(writer, event('before'), { fact: 'before' }, { messageId: 'id-before' });
    const stop = new AbortController();
    const read: string[] = [];
    const done = (async () => {
      const reading = readEvents(reader, { schema: factSchema, fromSequence: before.sequence, signal: stop.signal });
      for await (const { payload } of reading) read.push(payload.fact);
    })();
    await eventually('it is handled and read', () => seen('before').length === 1 && read.length === 1);
    await nats.pause();
    const published = publishEvent(writer, event('during'), { fact: 'during' }, { messageId: 'id-during' });
    await nats.resume();
    expect((await published).duplicate).toBe(false);
    await eventually('it is handled', () => seen('during').length >= 1, 40_000);
    await eventually('it is read', () => read.includes('during'), 40_000);
    stop.abort();
    await done;
    expect(read).toEqual(['before', 'during']);
  });
});
