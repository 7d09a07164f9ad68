import { type BsoEvent, subjects } from '@flexbso/contracts';
import { publishEvent } from '@flexbso/messaging';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventExample } from '../openapi/examples.js';
import { type GatewayUnderTest, secrets, startGatewayUnderTest } from '../testing/gateway-under-test.js';

/** What a client has heard of one stream. */
interface Listening {
  readonly status: number;
  text(): string;
  ids(): number[];
  events(): string[];
  ended(): boolean;
  close(): void;
}

let gateway: GatewayUnderTest;
const open: Listening[] = [];
/** Long for two busy cores; what holds ends the wait at once. */
const soon = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 10 });
beforeAll(async () => {
  gateway = await startGatewayUnderTest();
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});
afterAll(() => gateway.stop());

async function listen(query: string, headers: Record<string, string> = {}, token = secrets.viewer): Promise<Listening> {
  const closing = new AbortController();
  const response = await fetch(`${gateway.url}/v1/events${query}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: closing.signal,
  });
  let text = '';
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) text += decoder.decode(piece, { stream: true });
  };
  let ended = false;
  // It ends with an abort, or with the gateway.
  const reading = read()
    .catch((error: unknown) => void (text += `\n: ended ${String(error)}`))
    .finally(() => void (ended = true));
  const matches = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found);
  const listening: Listening = {
    status: response.status,
    text: () => text,
    ids: () => matches(/^id: (\d+)$/gm).map(Number),
    events: () => matches(/^data: (.*)$/gm),
    ended: () => ended,
    close: () => {
      closing.abort();
      void reading;
    },
  };
  open.push(listening);
  await soon(() => expect(text).toContain(': connected'));
  return listening;
}

let count = 0;
function publish(own: Partial<BsoEvent> = {}): Promise<{ sequence: number }> {
  count += 1;
  const event: BsoEvent = { ...eventExample, eventId: `evt-${count}`, ...own };
  const subject = subjects.event(event.kind, event.id, event.what);
  return publishEvent(gateway.bus('scheduler'), subject, event, { messageId: event.eventId });
}

/** A stream without `Last-Event-ID` begins when its consumer is there: publish until it hears. */
async function hearing(listening: Listening, own: Partial<BsoEvent> = {}): Promise<void> {
  await soon(async () => {
    await publish(own);
    expect(listening.ids().length).toBeGreaterThan(0);
  });
}

describe('the stream of events', () => {
  it('tells what happens from now on, each with its place in the stream', async () => {
    const listening = await listen('');
    await hearing(listening);
    const { sequence } = await publish({ what: 'settled' });
    await soon(() => expect(listening.ids()).toContain(sequence));
    expect(listening.events().some((data) => data.includes('"what":"settled"'))).toBe(true);
  });

  it('resumes after the last event that the client has, and misses none', async () => {
    const sequences: number[] = [];
    for (let at = 0; at < 20; at += 1) sequences.push((await publish()).sequence);
    const [first = 0, ...rest] = sequences;
    const listening = await listen('', { 'last-event-id': String(first) });
    await soon(() => expect(listening.ids()).toEqual(rest));
  });

  it('is filtered by kind and id', async () => {
    const { sequence } = await publish();
    await publish({ kind: 'card', id: 'card-a', what: 'cordoned' });
    await publish({ kind: 'card', id: 'card-b', what: 'cordoned' });
    const listening = await listen('?kind=card&id=card-b', { 'last-event-id': String(sequence) });
    await soon(() => expect(listening.events()).toHaveLength(1));
    expect(listening.events()[0]).toContain('"id":"card-b"');
  });

  it("shows a tenant's token that tenant's events only", async () => {
    const { sequence } = await publish({ tenantId: 'red' });
    await publish({ tenantId: 'blue', what: 'undone' });
    const listening = await listen('', { 'last-event-id': String(sequence - 1) }, secrets.tenant);
    await soon(() => expect(listening.events()).toHaveLength(1));
    expect(listening.events()[0]).toContain('"undone"');
  });

  it('tells of a gap when what was asked for is not there, and goes on with what is', async () => {
    const { sequence } = await publish();
    const listening = await listen('', { 'last-event-id': String(sequence + 1_000) });
    await soon(() => expect(listening.ids()).toContain(sequence));
    expect(listening.text()).toContain(`event: gap\ndata: {"lastEventId":${sequence + 1_000},"firstKeptId":1}`);
  });

  it('is refused when too many are open, and has room again when one is closed', async () => {
    const many = await Promise.all(Array.from({ length: 100 }, () => listen('?kind=pool')));
    const refused = await fetch(`${gateway.url}/v1/events`, { headers: { authorization: `Bearer ${secrets.viewer}` } });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ type: 'urn:flexbso:problem:too-many-requests' });
    many[0]?.close();
    await soon(async () => expect((await listen('')).status).toBe(200));
  });

  it('ends when the gateway stops', async () => {
    const listening = await listen('');
    await gateway.stop();
    await soon(() => expect(listening.ended()).toBe(true));
  });
});
