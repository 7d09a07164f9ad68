import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { volumeSchema } from '@flexbso/contracts';
import { connectBus, seedFileOf } from '@flexbso/messaging';
import type { BusStatus } from '@flexbso/messaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { refusalOf } from './testing/refusal.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const spec = { name: 'bad', sizeBytes: 64 * MiB, protocol: 'nbd' };
const withLayers = (...layers: Record<string, unknown>[]) => ({ ...spec, stack: { layers } });
const raid0 = { kind: 'raid0', legCount: 2 };

interface Refused {
  readonly what: string;
  readonly body: Record<string, unknown>;
  readonly status: number;
  readonly code: string;
  /** What the answer names. */
  readonly names: RegExp;
}

const invalid = { status: 400, code: 'invalid-request' };
const refusedVolumes: readonly Refused[] = [
  { what: 'an unknown field', body: { ...spec, colour: 'red' }, ...invalid, names: /colour/ },
  { what: 'a negative size', body: { ...spec, sizeBytes: -4096 }, ...invalid, names: /sizeBytes/ },
  { what: 'an absurd size', body: { ...spec, sizeBytes: 2 ** 60 }, ...invalid, names: /sizeBytes/ },
  {
    what: 'a size that is no multiple of a block',
    body: { ...spec, sizeBytes: 64 * MiB + 1 },
    ...invalid,
    names: /4096/,
  },
  {
    what: 'a layer that no card can do',
    body: withLayers(raid0),
    status: 422,
    code: 'missing-capability',
    names: /raid0/,
  },
  {
    what: 'a layer that the named card cannot do',
    body: { ...withLayers(raid0), placement: { cardId: 'card-1' } },
    status: 422,
    code: 'missing-capability',
    names: /raid0/,
  },
  {
    what: 'compression beneath encryption',
    body: withLayers({ kind: 'encryption' }, { kind: 'compression' }),
    status: 422,
    code: 'invalid-stack',
    names: /compression/i,
  },
  {
    what: 'a pool that is full',
    body: { ...spec, sizeBytes: 64 * 1024 ** 3, placement: { poolIds: ['pool-4'] } },
    status: 507,
    code: 'pool-full',
    names: /pool-4|capacity/,
  },
  {
    what: 'a pool that is not there',
    body: { ...spec, placement: { poolIds: ['pool-99'] } },
    status: 422,
    code: 'no-placement',
    names: /pool-99|poolIds|named/,
  },
];

const post = (body: string, key: string): Promise<Response> => system.write('POST', '/v1/volumes', { key, body });

/** Publishes what card-3 may and may not, as card-3; resolves when the bus has refused the latter. */
async function makeNoise(): Promise<void> {
  const { configurations, identities } = system.cluster.folders;
  const statuses: BusStatus[] = [];
  const principal = { kind: 'card', id: 'card-3' } as const;
  const port = /port": (\d+)/.exec(await readFile(join(configurations, 'nats.conf'), 'utf8'))?.[1];
  const bus = await connectBus({
    servers: [`127.0.0.1:${port}`],
    principal,
    credentials: { seedFile: seedFileOf(identities, principal) },
    onStatus: (status) => statuses.push(status),
  });
  try {
    for (const verb of ['register', 'heartbeat', 'desired', 'report', 'measure'])
      bus.connection.publish(`bso.card.card-3.up.${verb}`, 'no schema fits this');
    bus.connection.publish('bso.card.card-1.up.report', '{}');
    await bus.flush();
    await until('the foreign subject was denied', 10_000, async () =>
      statuses.some((status) => status.type === 'permission-denied'),
    );
  } finally {
    await bus.close();
  }
}

describe('a whole system refuses with a reason, changes nothing and goes on', { timeout: 120_000 }, () => {
  it.each(refusedVolumes)('$what', async ({ body, status, code, names }) => {
    const before = await system.volumes();
    const refused = await refusalOf(system.api.createVolume(body));
    expect(refused).toMatchObject({ status, code });
    expect(refused.body).toMatch(names);
    expect(await system.volumes()).toEqual(before);
  });

  it('a stale generation, a change that shrinks, and a deletion while a change is under way', async () => {
    const { volumeId, generation } = await system.create('stale');
    const patched = (base: number, patch: { qos: { iopsTotal: number } } | { sizeBytes: number }) =>
      refusalOf(system.api.patchVolume(volumeId, base, patch));
    const { change } = await system.api.patchVolume(volumeId, generation, { placement: { poolIds: ['pool-4'] } });
    expect(await refusalOf(system.api.deleteVolume(volumeId))).toMatchObject({ status: 409, code: 'change-in-flight' });
    await system.settled(change);
    const moved = await system.api.volume(volumeId);
    expect(await patched(generation, { qos: { iopsTotal: 100 } })).toMatchObject({
      status: 409,
      code: 'stale-generation',
    });
    expect((await patched(moved.generation, { sizeBytes: 32 * MiB })).code).toBe('change-refused');
    expect(await system.api.volume(volumeId)).toEqual(moved);
    await system.remove(moved);
  });

  it('a body that is not JSON, and an idempotency key that was used with another body', async () => {
    const malformed = await post('{"name": ', 'malformed');
    expect(malformed.status).toBe(400);
    expect(malformed.headers.get('content-type')).toContain('application/problem+json');
    expect(await malformed.json()).toMatchObject({ type: 'urn:flexbso:problem:malformed-json' });
    const first = await post(JSON.stringify({ ...spec, name: 'once' }), 'same-key');
    const again = await post(JSON.stringify({ ...spec, name: 'once' }), 'same-key');
    const other = await post(JSON.stringify({ ...spec, name: 'twice' }), 'same-key');
    expect([first.status, again.status, other.status]).toEqual([202, 202, 422]);
    const answers = z.looseObject({ volume: volumeSchema });
    const { volume } = answers.parse(await first.json());
    expect(answers.parse(await again.json()).volume.volumeId).toBe(volume.volumeId);
    expect(await other.json()).toMatchObject({ type: 'urn:flexbso:problem:idempotency-key-reused' });
    await until(
      'the volume is there',
      DEADLINE_MS,
      async () => (await system.api.volume(volume.volumeId)).state === 'ready',
    );
    await system.remove(volume);
  });

  it('a message on the bus that fits no schema, and one from the wrong subject', async () => {
    await makeNoise();
    const volume = await system.create('after-noise');
    await system.remove(volume);
    expect((await system.cards()).map((card) => card.state)).toEqual(['ready', 'ready', 'ready']);
  });
});
