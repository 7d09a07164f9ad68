import { currentTraceId, startObservability, withTraceHeaders } from '@flexbso/observability';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Database } from '../database.js';
import { type DatabaseHost, databaseKinds, openFor } from '../testing/databases.js';
import { transaction } from '../transaction.js';
import { enqueue } from './enqueue.js';
import { OutboxRelay, type OutboxRelayOptions, type OutboxStatus, type Publish } from './outbox-relay.js';
import { OutboxRow } from './outbox-row.js';

interface Published {
  readonly subject: string;
  readonly payload: object;
  readonly headers: Record<string, string>;
  readonly messageId: string;
}

/** A broker that keeps what it acknowledged; `refuse` decides which attempts fail. */
class Broker {
  readonly published: Published[] = [];
  /** In which trace each was published. */
  readonly traceIds: (string | undefined)[] = [];
  refuse: (subject: string) => boolean = () => false;
  readonly publish: Publish = async (subject, payload, headers, messageId) => {
    if (this.refuse(subject)) throw new Error('no leader');
    this.traceIds.push(currentTraceId());
    this.published.push({ subject, payload, headers, messageId });
  };
  get subjects(): string[] {
    return this.published.map(({ subject }) => subject);
  }
}

const observability = startObservability({ serviceName: 'outbox', serviceVersion: '0' });
afterAll(() => observability.stop());

describe.each(databaseKinds)('the outbox on %s', (_name, startHost) => {
  let host: DatabaseHost;
  let url: string;
  let database: Database;
  let broker: Broker;
  const relays: OutboxRelay[] = [];

  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host.stop());
  beforeEach(async () => {
    url = await host.freshUrl();
    database = await openFor(url);
    broker = new Broker();
  });
  afterEach(async () => {
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await database.destroy();
  });

  /** Polls so rarely that only wakes can explain what is published. */
  const startRelay = (options: OutboxRelayOptions = {}): OutboxRelay => {
    const relay = new OutboxRelay(database, broker.publish, { pollMs: 600_000, ...options });
    relays.push(relay);
    relay.start();
    return relay;
  };
  const send = (...subjects: string[]) =>
    transaction(database, async (manager) => {
      for (const subject of subjects) await enqueue(manager, { subject, payload: { of: subject } });
    });
  const left = () => database.manager.count(OutboxRow);

  test('publishes what was committed, in order, and forgets it', async () => {
    const subjects = Array.from({ length: 25 }, (_, index) => `bso.evt.${index}`);
    await send(...subjects);
    const relay = startRelay({ batchSize: 10 });
    await vi.waitFor(() => expect(broker.subjects).toEqual(subjects));
    await send('bso.evt.next');
    relay.wake();
    await vi.waitFor(() => expect(broker.subjects).toEqual([...subjects, 'bso.evt.next']));
    await vi.waitFor(async () => expect(await left()).toBe(0));
    expect(broker.published[3]?.payload).toEqual({ of: 'bso.evt.3' });
  });

  test('publishes nothing of a transaction that was rolled back', async () => {
    const failing = transaction(database, async (manager) => {
      await enqueue(manager, { subject: 'lost', payload: {} });
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    await send('kept');
    startRelay();
    await vi.waitFor(() => expect(broker.subjects).toEqual(['kept']));
  });

  test('a crash between publishing and forgetting publishes again under the same id', async () => {
    await send('first', 'second');
    let crashed: Promise<void> | undefined;
    const acknowledgeAndCrash: Publish = async (...message) => {
      await broker.publish(...message);
      crashed ??= database.destroy();
      await crashed;
    };
    const dying = new OutboxRelay(database, acknowledgeAndCrash, { maxBackoffMs: 5 });
    dying.start();
    await vi.waitFor(() => expect(broker.subjects).toEqual(['first', 'second']));
    await dying.stop();

    database = await openFor(url);
    startRelay();
    await vi.waitFor(() => expect(broker.subjects).toEqual(['first', 'second', 'first', 'second']));
    const ids = broker.published.map(({ messageId }) => messageId);
    expect(ids.slice(2)).toEqual(ids.slice(0, 2));
    expect(new Set(ids).size).toBe(2);
  });

  test('nothing overtakes a message that fails, and what was published before it is not repeated', async () => {
    let failuresLeft = 2;
    broker.refuse = (subject) => subject === 'second' && (failuresLeft -= 1) >= 0;
    await send('first', 'second', 'third');
    const failures: OutboxStatus[] = [];
    startRelay({
      maxBackoffMs: 5,
      onStatus: (status) => {
        if (status.kind === 'failed') failures.push(status);
      },
    });
    await vi.waitFor(() => expect(broker.subjects).toEqual(['first', 'second', 'third']));
    expect(failures).toMatchObject([
      { failures: 1, message: { subject: 'second' } },
      { failures: 2, message: { subject: 'second' } },
    ]);
  });

  test('stop empties the outbox; what a broker refuses stays for the next start', async () => {
    const relay = startRelay();
    await send('last words');
    await relay.stop();
    expect(broker.subjects).toEqual(['last words']);

    broker.refuse = () => true;
    const refused = startRelay({ maxBackoffMs: 5 });
    await send('kept');
    await refused.stop();
    expect(await left()).toBe(1);

    broker.refuse = () => false;
    startRelay();
    await vi.waitFor(() => expect(broker.subjects).toEqual(['last words', 'kept']));
  });

  test('carries the trace of who enqueued it, beside the headers that were given', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const message = { subject: 'traced', payload: {}, headers: { actor: 'someone' } };
    await withTraceHeaders({ traceparent }, () => transaction(database, (manager) => enqueue(manager, message)));
    startRelay();
    await vi.waitFor(() => expect(broker.published).toHaveLength(1));
    expect(broker.published[0]?.headers).toEqual({ actor: 'someone', traceparent });
    expect(broker.traceIds).toEqual(['0af7651916cd43dd8448eb211c80319c']);
  });
});
