import { changeSchema, pauseListSchema, problemSchema } from '@flexbso/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cancelledChangeExample, pausesExample } from './openapi/examples.js';
import { type GatewayUnderTest, secrets, startGatewayUnderTest } from './testing/gateway-under-test.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGatewayUnderTest();
});
beforeEach(() => gateway.script.reset());
afterAll(() => gateway.stop());

function post(path: string, { token = secrets.operator, headers = {} } = {}): Promise<Response> {
  return fetch(new URL(path, gateway.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}
const key = { 'idempotency-key': 'key-1' };
const { changeId } = cancelledChangeExample;

describe('cancelling a change', () => {
  it('asks the scheduler on behalf of who asked, and answers 202 with the change and its address', async () => {
    const response = await post(`/v1/changes/${changeId}/cancel`, { headers: key });
    expect(response.status).toBe(202);
    expect(response.headers.get('location')).toBe(`/v1/changes/${changeId}`);
    expect(changeSchema.parse(await response.json())).toEqual(cancelledChangeExample);
    expect(gateway.script.last).toMatchObject({
      verb: 'cancel-change',
      payload: { changeId, idempotencyKey: 'key-1', caller: { name: secrets.operator } },
    });
  });

  it('demands a key, is no viewer’s, and passes a refusal on', async () => {
    expect((await post(`/v1/changes/${changeId}/cancel`)).status).toBe(400);
    expect((await post(`/v1/changes/${changeId}/cancel`, { token: secrets.viewer, headers: key })).status).toBe(403);
    expect((await post('/v1/changes/nonsense/cancel', { headers: key })).status).toBe(400);
    expect(gateway.script.asked).toEqual([]);
    const refusal = problemSchema.parse({ code: 'cut-over-passed', detail: 'it carries the guest' });
    gateway.script.refusals.set('cancel-change', refusal);
    const refused = await post(`/v1/changes/${changeId}/cancel`, { headers: key });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ type: 'urn:flexbso:problem:cut-over-passed' });
  });
});

describe('pausing', () => {
  it.each([
    ['/v1/cards/card-a/pause', 'pause', 'card-a', pausesExample],
    ['/v1/pause', 'pause', null, pausesExample],
    ['/v1/cards/card-a/resume', 'resume', 'card-a', { items: [] }],
    ['/v1/resume', 'resume', null, { items: [] }],
  ])(
    'POST %s asks the scheduler, without a key, and answers all that is paused then',
    async (path, verb, cardId, now) => {
      const response = await post(path);
      expect(response.status).toBe(200);
      expect(pauseListSchema.parse(await response.json())).toEqual(now);
      expect(gateway.script.last).toMatchObject({ verb, payload: { cardId } });
    },
  );

  it('is no viewer’s, who may see what is paused', async () => {
    expect((await post('/v1/pause', { token: secrets.viewer })).status).toBe(403);
    expect(gateway.script.asked).toEqual([]);
    const headers = { authorization: `Bearer ${secrets.viewer}` };
    const listed = await fetch(new URL('/v1/pauses', gateway.url), { headers });
    expect(await listed.json()).toEqual(pausesExample);
  });
});
