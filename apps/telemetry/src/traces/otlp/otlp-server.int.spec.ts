import { gzipSync } from 'node:zlib';
import type { Span } from '@flexbso/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type OtlpServer, startOtlpServer } from './otlp-server.js';

const aSpan = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  name: 'swap',
  startTimeUnixNano: '1760000000123456789',
  endTimeUnixNano: '1760000000223456789',
};
const bodyWith = (...spans: unknown[]) => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });

let taken: Span[] = [];
let room = true;

function take(spans: readonly Span[]): boolean {
  if (room) taken.push(...spans);
  return room;
}

describe('the OTLP receiver', () => {
  let server: OtlpServer;

  beforeAll(async () => {
    server = await startOtlpServer({ host: '127.0.0.1', port: 0, take });
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(() => {
    taken = [];
    room = true;
  });

  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });

  it('takes JSON, plain and packed', async () => {
    const answer = await post(bodyWith(aSpan));
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    await post(new Uint8Array(gzipSync(bodyWith(aSpan))), { 'content-encoding': 'gzip' });
    expect(taken.map(({ name }) => name)).toEqual(['swap', 'swap']);
  });

  it('says how many spans it could not take', async () => {
    const answer = await post(bodyWith(aSpan, { name: 'nameless' }));
    expect(await answer.json()).toMatchObject({ partialSuccess: { rejectedSpans: 1 } });
    expect(taken).toHaveLength(1);
  });

  it.each([
    ['what is not JSON', '{', {}, 400],
    ['JSON that is no request', '{"resourceSpans":3}', {}, 400],
    ['bytes that are no protobuf', '\u00ff\u00ff\u00ff', { 'content-type': 'application/x-protobuf' }, 400],
    ['another type', '<spans/>', { 'content-type': 'text/xml' }, 415],
    ['another packing', '{}', { 'content-encoding': 'br' }, 415],
    ['what is not gzip', '{}', { 'content-encoding': 'gzip' }, 400],
    ['a body that is too large', ' '.repeat(5 * 1024 ** 2), {}, 413],
    ['JSON that is nested without end', '['.repeat(1_000_000), {}, 400],
  ])('refuses %s, and lives on', async (_what, body, headers, status) => {
    expect((await post(body, headers)).status).toBe(status);
    expect((await post(bodyWith(aSpan))).status).toBe(200);
  });

  it('refuses a small body that unpacks to a huge one', async () => {
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(100 * 1024 ** 2)));
    expect((await post(bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });

  it('tells the exporter to come again when there is no room', async () => {
    room = false;
    const answer = await post(bodyWith(aSpan));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1']);
  });

  it('has one path and one method', async () => {
    expect((await fetch(`${server.url}/v1/metrics`, { method: 'POST', body: '' })).status).toBe(404);
    expect((await fetch(`${server.url}/v1/traces`)).status).toBe(405);
  });
});
