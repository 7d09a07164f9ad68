import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sealedSecretSchema, traceSchema } from '@flexbso/contracts';
import type { Span } from '@flexbso/contracts';
import { open, readSeedFile } from '@flexbso/messaging';
import { installedTools } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { filesHolding, formsOf, processesShowing } from './search.js';
import { refusalOf } from './testing/refusal.js';
import { START_OR_END_MS, System } from './testing/system.js';

const run = promisify(execFile);
const tools = installedTools();

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

describe('a whole system', { timeout: 120_000 }, () => {
  it('has three cards and five pools that registered themselves, with capabilities that were probed', async () => {
    const cards = await system.cards();
    const pools = await system.pools();
    expect(cards.map((card) => card.cardId).toSorted()).toEqual(['card-1', 'card-2', 'card-3']);
    expect(pools.map((pool) => `${pool.poolId} ${pool.reach}`).toSorted()).toEqual([
      'pool-1 host',
      'pool-2 host',
      'pool-3 host',
      'pool-4 network',
      'pool-5 network',
    ]);
    for (const card of cards) {
      const has = card.capabilities.has.map((capability) => capability.name);
      expect(has).toEqual(
        expect.arrayContaining(['swap-live', 'qos', 'encryption', 'front-end.nbd', 'front-end.virtio-blk']),
      );
      expect(card.dataPlane).toEqual({ name: 'qsd', version: tools.versions.qemu });
      expect(card.capabilities.lacks.map((lacking) => lacking.name)).toEqual(
        expect.arrayContaining(['raid0', 'compression']),
      );
    }
  });

  it('plans a move without making it, and then makes exactly that', async () => {
    const volume = await system.create('planned');
    const dryRun = await system.write('PATCH', `/v1/volumes/${volume.volumeId}?dryRun=true`, {
      key: 'dry',
      ifMatch: `"${volume.generation}"`,
      body: JSON.stringify({ placement: { poolIds: ['pool-4'] } }),
    });
    expect(dryRun.status).toBe(200);
    const plan = z
      .looseObject({
        steps: z.array(z.looseObject({ step: z.looseObject({ kind: z.string() }) })),
        cutOverIndex: z.number(),
      })
      .parse(await dryRun.json());
    expect(await system.api.volume(volume.volumeId)).toEqual(volume);
    const kinds = plan.steps.map(({ step }) => step.kind);
    expect(kinds[plan.cutOverIndex]).toBe('cut-over');
    const change = await system.move(volume, 'pool-4');
    expect(change.steps.map((step) => step.kind)).toEqual(kinds);
    expect(change.steps.every((step) => step.outcome === 'done')).toBe(true);
    const after = await system.api.volume(volume.volumeId);
    expect(after.legs.map((leg) => leg.poolId)).toEqual(['pool-4']);
    expect(after).toMatchObject({
      appliedGeneration: after.generation,
      settledGeneration: after.generation,
      state: 'ready',
    });
    await system.remove(after);
  });

  it('moves a volume to where placement prefers, which stays there when that is asked for again', async () => {
    const { volumeId } = await system.create('anywhere', { placement: { cardId: 'card-1', poolIds: ['pool-4'] } });
    const anywhere = async () =>
      system.settled((await system.api.changeVolume(volumeId, { placement: { poolIds: [] } })).change);
    // All pools have as much left: the one in the card's own host is the nearest.
    expect(await anywhere()).toMatchObject({ differences: ['pools'] });
    const moved = await system.api.volume(volumeId);
    expect(moved.legs.map(({ poolId }) => poolId)).toEqual(['pool-1']);
    expect(await anywhere()).toMatchObject({ differences: [], steps: [] });
    expect((await system.api.volume(volumeId)).legs).toEqual(moved.legs);
    await system.remove(moved);
  });

  it('shows one trace from the HTTP request to each call on the data plane, without an orphan', async () => {
    const volume = await system.create('traced');
    const change = await system.move(volume, 'pool-5');
    const path = `/v1/changes/${change.changeId}/trace`;
    // Processes send their spans every half second.
    let spans: Span[] = [];
    await until('the trace is whole', 20_000, async () => {
      const trace = await system.api.get(path, traceSchema);
      spans = trace.spans;
      return (
        trace.orphanSpanIds.length === 0 &&
        spans.some((span) => span.name === 'step close-stack') &&
        spans.some((span) => span.name.includes('.settled'))
      );
    });
    expect(spans.filter((span) => span.parentSpanId === null).map((span) => [span.service, span.kind])).toEqual([
      ['gateway', 'server'],
    ]);
    expect(new Set(spans.map((span) => span.service))).toEqual(
      new Set(['gateway', 'scheduler', 'agent-card', 'agent-pool', 'telemetry']),
    );
    const steps = spans.filter((span) => span.name.startsWith('step '));
    expect(steps.map((span) => span.name.slice(5)).toSorted()).toEqual(
      change.steps.map((step) => step.kind).toSorted(),
    );
    const calls = spans.filter((span) => span.name.startsWith('qmp '));
    expect(calls.map((span) => span.name)).toEqual(
      expect.arrayContaining(['qmp blockdev-mirror', 'qmp job-complete', 'qmp blockdev-del']),
    );
    const ids = new Map(spans.map((span) => [span.spanId, span]));
    for (const call of calls) expect(ids.get(call.parentSpanId ?? '')?.name).toMatch(/^(step |observe$)/);
    const printed = await system.flexbso('trace', change.changeId);
    expect(printed.status).toBe(0);
    expect(printed.stdout).toContain('qmp job-complete');
    expect(printed.stdout).toContain('0 orphans');
    await system.remove(volume);
  });

  it('keeps the keys of an encrypted volume and of its leg to whom they are for', async () => {
    const volume = await system.create('secret', {
      stack: { layers: [{ kind: 'encryption' }] },
      placement: { cardId: 'card-2', poolIds: ['pool-4'] },
    });
    const { folders } = system.cluster;
    const state = await readFile(join(folders.agents, 'card-2', 'state.json'), 'utf8');
    const seed = await readSeedFile(join(folders.agents, 'card-2', 'sealing.seed'));
    const sealed = [...state.matchAll(/\{"from":"X[A-Z2-7]+","sealed":"[^"]+"\}/g)].map(([text]) =>
      sealedSecretSchema.parse(JSON.parse(text)),
    );
    const keys = [
      ...new Map(sealed.map((secret) => [secret.sealed, Buffer.from(open(secret, secret.from, seed))])).values(),
    ];
    expect(keys.length).toBeGreaterThanOrEqual(2);
    const needles = keys.flatMap(formsOf);
    const own = (path: string): boolean => path.startsWith(join(folders.pools, 'pool-4', 'keys'));
    // The search does find: the pool's own copy of its leg's key.
    const holding = [...(await filesHolding(folders.root, needles)), ...(await filesHolding(folders.run, needles))];
    expect(holding.filter(own)).not.toEqual([]);
    expect(holding.filter((path) => !own(path))).toEqual([]);
    expect(await processesShowing(needles)).toEqual([]);
    await system.remove(volume);
    expect(await filesHolding(folders.pools, needles)).toEqual([]);
  });

  it('serves a leg to its holder only', async () => {
    const volume = await system.create('held', { placement: { cardId: 'card-1', poolIds: ['pool-4'] } });
    const listening = await system.legPortsOf('pool-4');
    expect(listening).toHaveLength(1);
    const [leg] = volume.legs;
    for (const port of listening) {
      const uri = `nbd://127.0.0.1:${port}/${leg?.legId}.${leg?.epoch}`;
      await expect(run(tools.qemuImg, ['info', uri])).rejects.toThrow(/TLS|not permitted|required/i);
    }
    await system.remove(volume);
  });

  it('leaves nothing on cards and pools when volumes are gone', async () => {
    const { folders } = system.cluster;
    const volume = await system.create('gone', { stack: { layers: [{ kind: 'encryption' }] } });
    expect(dataPlanesIn(folders.run)).not.toEqual([]);
    await system.remove(volume);
    expect(dataPlanesIn(folders.run)).toEqual([]);
    const { stdout } = await run('find', [folders.pools, '-name', '*leg-*']);
    expect(stdout).toBe('');
    expect((await refusalOf(system.api.volume(volume.volumeId))).code).toBe('not-found');
  });
});
