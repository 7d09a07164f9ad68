import { join } from 'node:path';
import { problemCodes, type ProblemCode, problemTable } from '@flexbso/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cardExample, changeExample, planExample, traceExample, volumeExample } from './openapi/examples.js';
import { problemDocumentSchema } from './routes/fields.js';
import { allRoutes } from './routes/table.js';
import { type GatewayUnderTest, secrets, startGatewayUnderTest, writeTokens } from './testing/gateway-under-test.js';

interface Asking {
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string;
}

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGatewayUnderTest();
});
beforeEach(() => gateway.script.reset());
afterAll(() => gateway.stop());

function ask(method: string, path: string, { token = secrets.operator, headers, body, text }: Asking = {}) {
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  return fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(sent === undefined ? {} : { body: sent }),
  });
}

/** The code of the problem that is answered, after its form was checked. */
async function problemOf(answer: Promise<Response>): Promise<ProblemCode> {
  const response = await answer;
  const document = problemDocumentSchema.parse(await response.json());
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  expect(response.status).toBe(document.status);
  expect(document.traceId).toMatch(/^[0-9a-f]{32}$/);
  const code = problemCodes.find((known) => document.type === `urn:flexbso:problem:${known}`);
  if (code === undefined) throw new Error(`${document.type} is no problem of ours`);
  expect(document).toMatchObject({ title: problemTable[code].title, status: problemTable[code].status });
  return code;
}

const key = { 'idempotency-key': 'key-1' };
const ifMatch = { 'if-match': '"2"' };
const spec = { name: 'db', sizeBytes: 268_435_456 };

describe('reading', () => {
  it('lists with selector and paging, as the service understands them', async () => {
    const response = await ask('GET', '/v1/cards?labels=tier=gold,rack=&pageSize=7&pageToken=abc');
    expect(await response.json()).toEqual({ items: [cardExample], nextPageToken: null });
    expect(gateway.script.last?.payload).toEqual({
      v: 1,
      caller: { name: secrets.operator, role: 'operator', tenantId: null },
      labels: { tier: 'gold', rack: '' },
      pageSize: 7,
      pageToken: 'abc',
    });
  });

  it("gives a volume with its generation as the ETag, and a change's trace", async () => {
    const volume = await ask('GET', '/v1/volumes/db', { token: secrets.viewer });
    expect(volume.headers.get('etag')).toBe(`"${volumeExample.generation}"`);
    expect(await volume.json()).toEqual(volumeExample);
    const trace = await ask('GET', `/v1/changes/${changeExample.changeId}/trace`);
    expect(await trace.json()).toEqual(traceExample);
    expect(gateway.script.last?.payload).toMatchObject({ traceId: changeExample.traceId });
  });

  it('tells the tenant of a token to the service', async () => {
    await ask('GET', '/v1/volumes', { token: secrets.tenant });
    expect(gateway.script.last?.payload).toMatchObject({ caller: { tenantId: 'blue' } });
  });

  it('queries the audit trail', async () => {
    await ask('GET', '/v1/audit?kind=change&id=chg-0123456789&sinceMs=5');
    expect(gateway.script.last).toMatchObject({
      verb: 'list-events',
      payload: { kind: 'change', id: 'chg-0123456789', sinceMs: 5 },
    });
  });

  it('serves every route that is documented, and none else', async () => {
    const served = gateway.routes.map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    const document = (await (await ask('GET', '/v1/openapi.json', { token: null })).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(served.toSorted());
    expect(served).toHaveLength(allRoutes.length);
  });

  it('says without a token that it lives and is ready, and its metrics with one', async () => {
    expect(await (await ask('GET', '/healthz', { token: null })).json()).toEqual({ healthy: true });
    expect(await (await ask('GET', '/readyz', { token: null })).json()).toEqual({ ready: true });
    expect(await problemOf(ask('GET', '/metrics', { token: null }))).toBe('unauthenticated');
    expect(await (await ask('GET', '/metrics')).text()).toBe('up 1\n');
  });
});

describe('writing', () => {
  it('answers 202 with the change, where to find it, and the generation', async () => {
    const headers = { ...key, 'plan-digest': planExample.digest };
    const response = await ask('POST', '/v1/volumes', { headers, body: spec });
    expect(response.status).toBe(202);
    expect(response.headers.get('location')).toBe(`/v1/changes/${changeExample.changeId}`);
    expect(response.headers.get('etag')).toBe('"2"');
    expect(await response.json()).toEqual({ volume: volumeExample, change: changeExample });
    expect(gateway.script.last?.payload).toMatchObject({
      idempotencyKey: 'key-1',
      planDigest: planExample.digest,
      spec: { ...spec, labels: {} },
    });
  });

  it('passes the generation of an update and of a deletion on', async () => {
    const update = await ask('PATCH', '/v1/volumes/db', { headers: { ...key, ...ifMatch }, body: { qos: null } });
    expect(update.status).toBe(202);
    expect(gateway.script.last?.payload).toMatchObject({ volume: 'db', basedOnGeneration: 2, patch: { qos: null } });
    const end = await ask('DELETE', '/v1/volumes/db', { headers: { ...key, ...ifMatch } });
    expect(end.status).toBe(202);
    expect(gateway.script.last).toMatchObject({ verb: 'delete-volume', payload: { basedOnGeneration: 2 } });
  });

  it('passes a failover on with its generation, and demands one', async () => {
    const headers = { ...key, ...ifMatch };
    const response = await ask('POST', '/v1/volumes/db/failover', { headers, body: { cardId: 'card-b' } });
    expect(response.status).toBe(202);
    const payload = { volume: 'db', basedOnGeneration: 2, cardId: 'card-b', idempotencyKey: 'key-1' };
    expect(gateway.script.last).toMatchObject({ verb: 'failover-volume', payload });
    const without = ask('POST', '/v1/volumes/db/failover', { headers: key, body: {} });
    expect(await problemOf(without)).toBe('generation-required');
  });

  it.each([
    ['POST', '/v1/volumes?dryRun=true', spec, 'plan-create'],
    ['POST', '/v1/volumes?dryRun', spec, 'plan-create'],
    ['PATCH', '/v1/volumes/db?dryRun=true', { qos: { iopsTotal: 5 } }, 'plan-change'],
    ['DELETE', '/v1/volumes/db?dryRun=true', undefined, 'plan-delete'],
    ['POST', '/v1/volumes/db/failover?dryRun=true', { cardId: 'card-b' }, 'plan-failover'],
  ])('%s %s answers the plan and writes nothing', async (method, path, body, verb) => {
    const response = await ask(method, path, { headers: ifMatch, ...(body ? { body } : {}) });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(planExample);
    expect(gateway.script.asked.map((one) => one.verb)).toEqual([verb]);
  });

  it('names what dryRun may be', async () => {
    const response = await ask('POST', '/v1/volumes?dryRun=maybe', { headers: key, body: spec });
    expect(problemDocumentSchema.parse(await response.json()).detail).toContain('dryRun is true or false');
    expect(gateway.script.asked).toEqual([]);
  });

  it('cordons and uncordons cards and pools', async () => {
    await ask('POST', '/v1/cards/card-a/cordon');
    expect(gateway.script.last).toMatchObject({ verb: 'cordon-card', payload: { cardId: 'card-a', cordoned: true } });
    await ask('POST', '/v1/pools/target-d/uncordon');
    expect(gateway.script.last).toMatchObject({
      verb: 'cordon-pool',
      payload: { poolId: 'target-d', cordoned: false },
    });
  });
});

describe('release', () => {
  it('asks inventory on behalf of who asked, and is no viewer’s', async () => {
    expect((await ask('POST', '/v1/cards/card-a/release')).status).toBe(200);
    expect(gateway.script.last).toMatchObject({
      verb: 'release-card',
      payload: { cardId: 'card-a', caller: { name: secrets.operator } },
    });
    await ask('POST', '/v1/pools/target-d/release');
    expect(gateway.script.last).toMatchObject({ verb: 'release-pool', payload: { poolId: 'target-d' } });
    gateway.script.reset();
    expect(await problemOf(ask('POST', '/v1/cards/card-a/release', { token: secrets.viewer }))).toBe('forbidden');
    expect(gateway.script.asked).toEqual([]);
  });
});

describe('tokens', () => {
  it.each([null, 'unknown', secrets.expired, ''])('refuses the token %j', async (token) => {
    expect(await problemOf(ask('GET', '/v1/cards', { token }))).toBe('unauthenticated');
    expect(gateway.script.asked).toEqual([]);
  });

  it('lets a viewer read and not write', async () => {
    const viewer = { token: secrets.viewer, headers: { ...key, ...ifMatch } };
    expect((await ask('GET', '/v1/cards', viewer)).status).toBe(200);
    gateway.script.reset();
    expect(await problemOf(ask('POST', '/v1/volumes', { ...viewer, body: spec }))).toBe('forbidden');
    expect(await problemOf(ask('DELETE', '/v1/volumes/db', viewer))).toBe('forbidden');
    expect(await problemOf(ask('POST', '/v1/cards/card-a/cordon', viewer))).toBe('forbidden');
    expect(gateway.script.asked).toEqual([]);
  });

  it('forgets a token with the file that it is taken out of', async () => {
    const file = join(gateway.folder, 'tokens.json');
    await writeTokens(file, [secrets.viewer]);
    expect(await problemOf(ask('GET', '/v1/cards', { token: secrets.viewer }))).toBe('unauthenticated');
    await writeTokens(file);
    expect((await ask('GET', '/v1/cards', { token: secrets.viewer })).status).toBe(200);
  });
});

describe('bad input is refused with what and where, and reaches nobody', () => {
  const write = { headers: key };
  it.each<[string, ProblemCode, () => Promise<Response>]>([
    [
      'an unknown field',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, colour: 1 } }),
    ],
    [
      'a negative size',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, sizeBytes: -1 } }),
    ],
    [
      'an absurd size',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, sizeBytes: 1e300 } }),
    ],
    [
      'a size between blocks',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, sizeBytes: 2_000_001 } }),
    ],
    [
      'a size as text',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, sizeBytes: '1GiB' } }),
    ],
    [
      'a name with capitals',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, name: 'DB' } }),
    ],
    [
      'an unknown layer',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { ...write, body: { ...spec, stack: { layers: [{ kind: 'magic' }] } } }),
    ],
    ['a list as body', 'invalid-request', () => ask('POST', '/v1/volumes', { ...write, body: [] })],
    ['no body', 'invalid-request', () => ask('POST', '/v1/volumes', write)],
    ['malformed JSON', 'malformed-json', () => ask('POST', '/v1/volumes', { ...write, text: '{"name":' })],
    [
      'another content type',
      'unsupported-media-type',
      () => ask('POST', '/v1/volumes', { headers: { ...key, 'content-type': 'text/plain' }, text: 'x' }),
    ],
    [
      'a body that is too large',
      'body-too-large',
      () => ask('POST', '/v1/volumes', { ...write, text: `"${'x'.repeat(1024 ** 2)}"` }),
    ],
    ['a write without a key', 'idempotency-key-required', () => ask('POST', '/v1/volumes', { body: spec })],
    [
      'a key that is too long',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { headers: { 'idempotency-key': 'x'.repeat(129) }, body: spec }),
    ],
    [
      'a digest that is none',
      'invalid-request',
      () => ask('POST', '/v1/volumes', { headers: { ...key, 'plan-digest': 'abc' }, body: spec }),
    ],
    [
      'a change of nothing',
      'invalid-request',
      () => ask('PATCH', '/v1/volumes/db', { headers: { ...key, ...ifMatch }, body: {} }),
    ],
    [
      'an update without its generation',
      'generation-required',
      () => ask('PATCH', '/v1/volumes/db', { ...write, body: { qos: null } }),
    ],
    ['a deletion without its generation', 'generation-required', () => ask('DELETE', '/v1/volumes/db', write)],
    [
      'any generation',
      'invalid-request',
      () => ask('DELETE', '/v1/volumes/db', { headers: { ...key, 'if-match': '*' } }),
    ],
    ['an unknown query parameter', 'invalid-request', () => ask('GET', '/v1/volumes?colour=red')],
    ['a parameter twice', 'invalid-request', () => ask('GET', '/v1/volumes?pageSize=1&pageSize=2')],
    ['a page of nothing', 'invalid-request', () => ask('GET', '/v1/volumes?pageSize=0')],
    ['labels that are none', 'invalid-request', () => ask('GET', '/v1/volumes?labels=gold')],
    [
      'a dry run that is neither',
      'invalid-request',
      () => ask('POST', '/v1/volumes?dryRun=maybe', { ...write, body: spec }),
    ],
    ['an id that is none', 'invalid-request', () => ask('GET', '/v1/cards/Card%20A')],
    ['a subject as an id', 'invalid-request', () => ask('GET', '/v1/events?id=*')],
    ['an address that is none', 'invalid-request', () => ask('GET', '/v1/cards/%zz')],
    ['an unknown route', 'not-found', () => ask('GET', '/v2/cards')],
    ['an unknown method', 'method-not-allowed', () => ask('PUT', '/v1/volumes/db', { body: spec })],
  ])('%s: %s', async (_what, code, asking) => {
    expect(await problemOf(asking())).toBe(code);
    expect(gateway.script.asked).toEqual([]);
  });

  it('names every field that does not fit, and the methods that a path knows', async () => {
    const wrong = { ...spec, sizeBytes: -1, qos: { iopsTotal: 0 } };
    const response = await ask('POST', '/v1/volumes', { ...write, body: wrong });
    const { errors } = problemDocumentSchema.parse(await response.json());
    expect(new Set(errors?.map(({ path }) => path))).toEqual(new Set(['sizeBytes', 'qos.iopsTotal']));
    expect((await ask('PUT', '/v1/volumes/db')).headers.get('allow')).toBe('GET, PATCH, DELETE');
  });
});

describe('what a service refuses', () => {
  it.each<ProblemCode>([
    'stale-generation',
    'change-in-flight',
    'idempotency-key-reused',
    'plan-changed',
    'missing-capability',
    'invalid-stack',
    'no-placement',
    'pool-full',
    'needs-operator',
  ])('%s goes through with its facts', async (code) => {
    gateway.script.refusals.set('change-volume', { code, detail: 'because', facts: { limit: 3 } });
    const headers = { ...key, ...ifMatch };
    const response = await ask('PATCH', '/v1/volumes/db', { headers, body: { qos: null } });
    const copy = response.clone();
    expect(await problemOf(Promise.resolve(response))).toBe(code);
    expect(await copy.json()).toMatchObject({ detail: 'because', facts: { limit: 3 }, instance: '/v1/volumes/db' });
  });

  it('an answer that fits no schema is the failure of a service, and says so', async () => {
    gateway.script.answers.set('get-card', { cardId: 'card-a' });
    expect(await problemOf(ask('GET', '/v1/cards/card-a'))).toBe('internal');
  });
});

describe('traces', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it.each([
    ['an answer', '/v1/cards', secrets.operator],
    ['a refused token', '/v1/cards', 'unknown'],
    ['an unknown route', '/nowhere', secrets.operator],
  ])("continue the client's in %s, and the answer says so", async (_what, path, token) => {
    const response = await ask('GET', path, { token, headers: { traceparent: parent } });
    const [, traceId, spanId] = (response.headers.get('traceparent') ?? '').split('-');
    expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(spanId).not.toBe('b7ad6b7169203331');
  });

  it('and logs hold no token', () => {
    expect(gateway.logLines.length).toBeGreaterThan(0);
    for (const secret of Object.values(secrets)) expect(gateway.logLines.join('')).not.toContain(secret);
  });
});

describe('a service that is away', () => {
  it('is a problem of its own, and the gateway lives on', async () => {
    await gateway.stopFakes();
    expect(await problemOf(ask('GET', '/v1/cards'))).toBe('unavailable');
    expect((await ask('GET', '/healthz', { token: null })).status).toBe(200);
  });
});
