import type { DesiredLeg } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { describe, expect, it } from 'vitest';
import { Fuse } from '../testing/fuse.js';
import { LEG_ID, POOL_CAPACITY_BYTES, PoolFixture } from '../testing/pool-fixture.js';
import { countedStepSpans } from '../testing/step-spans.js';

describe("a pool's agent", () => {
  it('makes a leg, serves it, and seals what opens it for the holder', async () => {
    const pool = new PoolFixture();
    await pool.start();
    const desired = await pool.want();
    await pool.untilSaid(desired, 'ready');
    const report = pool.scheduler.saidOfLeg(desired.operationId);
    expect(report).toMatchObject({
      epoch: 1,
      sizeBytes: desired.sizeBytes,
      address: { kind: 'memory' },
      problem: null,
    });
    expect(Buffer.from(report?.access?.sealedKey.sealed ?? '', 'base64').toString()).toBe(`psk of card-1.${LEG_ID}.1`);
  });

  it('serves a leg again that it finds no longer served', async () => {
    const pool = new PoolFixture();
    await pool.start();
    await pool.untilSaid(await pool.want(), 'ready');
    pool.world.leg(LEG_ID).serving = null;
    await pool.clock.run(3_000);
    expect(pool.world.leg(LEG_ID).serving).toEqual({ epoch: 1, holderCardId: 'card-1' });
  });

  it('says it again when a leg is served at another address or with another key', async () => {
    const pool = new PoolFixture();
    await pool.start();
    const desired = await pool.want();
    await pool.untilSaid(desired, 'ready');
    await pool.clock.run(20_000);
    expect(pool.scheduler.legReports.filter(({ phase }) => phase === 'ready')).toHaveLength(1);
    const address = { kind: 'nbd' as const, host: 'pool-1', port: 20901, exportName: 'leg' };
    pool.world.leg(LEG_ID).servedAt = { address, keyNumber: 0 };
    await pool.clock.runUntil('the address is said', () => pool.scheduler.legReports.at(-1)?.address?.kind === 'nbd');
    const identity = pool.scheduler.legReports.at(-1)?.access?.identity;
    pool.world.leg(LEG_ID).servedAt = { address, keyNumber: 1 };
    await pool.clock.runUntil('the key is said', () => pool.scheduler.legReports.at(-1)?.access?.identity !== identity);
    await pool.clock.run(20_000);
    expect(pool.scheduler.legReports.filter(({ phase }) => phase === 'ready')).toHaveLength(3);
  });

  it('says why a leg is not served again, keeps its journal short meanwhile, and says ready when it is', async () => {
    let attempts = 0;
    let isTaken = false;
    const pool = new PoolFixture();
    await pool.start(new Fuse(), {
      before: ({ method, step }) => {
        if (!isTaken || method !== 'perform' || step?.kind !== 'serve-leg') return;
        attempts++;
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'port 1 is taken' }, { retryable: true });
      },
    });
    const desired = await pool.want();
    await pool.untilSaid(desired, 'ready');
    const stepSpans = countedStepSpans();
    isTaken = true;
    pool.world.leg(LEG_ID).serving = null;
    await pool.untilSaid(desired, 'working');
    expect(pool.scheduler.saidOfLeg(desired.operationId)?.problem?.detail).toBe('port 1 is taken');
    await pool.clock.run(4 * 3_600_000);
    expect(attempts).toBeGreaterThan(2_000);
    expect(stepSpans()).toBeLessThan(40);
    expect(stepSpans()).toBeGreaterThan(8);
    expect(pool.journal.lines.get(LEG_ID)?.length).toBeLessThan(20);
    isTaken = false;
    await pool.untilSaid(desired, 'ready');
  });

  it('keeps its journal short while a leg is served again and again', async () => {
    const pool = new PoolFixture();
    await pool.start();
    await pool.untilSaid(await pool.want(), 'ready');
    for (let death = 0; death < 500; death++) {
      pool.world.leg(LEG_ID).serving = null;
      await pool.clock.runUntil('it is served', () => pool.world.leg(LEG_ID).serving !== null);
    }
    expect(pool.journal.lines.get(LEG_ID)?.length).toBeLessThan(300);
  });

  it('grows a leg, and fences it before it is served to another holder', async () => {
    const pool = new PoolFixture();
    await pool.start();
    await pool.untilSaid(await pool.want(), 'ready');
    const grown = await pool.want({ sizeBytes: 16 * 1024 ** 2 });
    await pool.untilSaid(grown, 'ready');
    const moved = await pool.want({
      sizeBytes: 16 * 1024 ** 2,
      epoch: 2,
      holder: { ...grown.holder, cardId: 'card-2' },
    });
    await pool.untilSaid(moved, 'ready');
    expect(pool.world.leg(LEG_ID)).toMatchObject({
      sizeBytes: 16 * 1024 ** 2,
      serving: { epoch: 2, holderCardId: 'card-2' },
    });
  });

  it('deletes on a tombstone only, and forgets once that is known', async () => {
    const pool = new PoolFixture();
    await pool.start();
    await pool.untilSaid(await pool.want(), 'ready');
    await pool.untilSaid(await pool.want({ tombstone: true }), 'deleted');
    expect(pool.world.legs.size).toBe(0);
    await pool.clock.runUntil('the journal is gone', () => pool.journal.lines.size === 0);
  });

  it('never makes a leg again that was deleted, wherever it is killed meanwhile', async () => {
    for (let moment = 1, isKilled = true; isKilled; moment++) {
      const pool = new PoolFixture();
      // The scheduler forgets the leg with the report that it is gone.
      pool.scheduler.onMessage = () => {
        if (pool.scheduler.legReports.at(-1)?.phase === 'deleted') pool.scheduler.items.clear();
      };
      const first = await pool.start();
      await pool.untilSaid(await pool.want(), 'ready');
      await pool.clock.run(1_000);
      await first.stop();
      const fuse = new Fuse();
      await pool.start(fuse);
      await pool.clock.run(1_000);
      fuse.blowIn(moment);
      const tombstone = await pool.want({ tombstone: true });
      await pool.clock.run(10_000);
      isKilled = fuse.blown;
      fuse.blow();
      await pool.start();
      await pool.clock.run(20_000);
      expect(pool.scheduler.saidOfLeg(tombstone.operationId)?.phase, `killed at moment ${moment}`).toBe('deleted');
      expect([pool.world.legs.size, pool.journal.lines.size], `killed at moment ${moment}`).toEqual([0, 0]);
      expect(await pool.store.load(), `killed at moment ${moment}`).toMatchObject({ items: [] });
    }
  });

  it('clears a journal away that a crash left empty', async () => {
    const pool = new PoolFixture();
    pool.journal.lines.set(LEG_ID, []);
    await pool.start();
    await pool.clock.run(1_000);
    expect(pool.journal.lines.size).toBe(0);
  });

  it('goes on with a leg of which its journal alone knows, and tells that it was given it', async () => {
    const pool = new PoolFixture();
    const first = await pool.start();
    const desired = await pool.want();
    await pool.untilSaid(desired, 'ready');
    await first.stop();
    // As a crash within a moment of the act leaves it; and nobody gives it the leg again.
    await pool.store.save({ v: 1, incarnation: null, term: 0, revision: 0, items: [] });
    pool.scheduler.items.clear();
    await pool.start();
    await pool.clock.run(5_000);
    const { operationId, legId } = desired;
    expect(await pool.scheduler.inspect()).toMatchObject({ total: 1, given: { legs: [{ operationId, legId }] } });
  });

  it('goes on deleting a leg of which its journal alone knows, wherever it was killed meanwhile', async () => {
    for (let moment = 1, isKilled = true; isKilled; moment++) {
      const pool = new PoolFixture();
      const first = await pool.start();
      await pool.untilSaid(await pool.want(), 'ready');
      await first.stop();
      const kept = await pool.store.load();
      const fuse = new Fuse(moment);
      void pool.start(fuse);
      const { operationId } = await pool.want({ tombstone: true });
      const isSaid = () => pool.scheduler.saidOfLeg(operationId)?.phase === 'deleted';
      await pool.clock.runUntil('the agent is dead or done', () => fuse.blown || isSaid());
      isKilled = fuse.blown;
      // As a crash within a moment of being told leaves it; and nobody tells it again.
      const wasTold = pool.journal.lines.get(LEG_ID)?.some((line) => line.includes('"tombstone":true')) === true;
      if (kept) await pool.store.save({ ...kept, items: [] });
      pool.scheduler.items.clear();
      await pool.start();
      await pool.clock.run(20_000);
      const there = [...pool.world.legs.keys()];
      const given = { legs: there.map((legId) => ({ legId })) };
      expect(await pool.scheduler.inspect(), `killed at moment ${moment}`).toMatchObject({ given });
      expect(wasTold ? there : [], `killed at moment ${moment}`).toEqual([]);
    }
  });

  it('tells of the deletion alone when a leg is to go while it is still being served', async () => {
    const pool = new PoolFixture();
    let tombstone: Promise<DesiredLeg> | null = null;
    await pool.start(new Fuse(), {
      before: async ({ method, step }) => {
        if (method !== 'perform' || step?.kind !== 'serve-leg') return;
        tombstone ??= pool.want({ tombstone: true });
        await tombstone;
      },
    });
    await pool.want();
    await pool.clock.runUntil('it is to go', () => tombstone !== null);
    const { operationId } = await (tombstone ?? pool.want());
    await pool.untilSaid({ operationId }, 'deleted');
    const steps = pool.scheduler.saidOfLeg(operationId)?.steps ?? [];
    expect(steps.map(({ index, kind, outcome }) => [index, kind, outcome])).toEqual([
      [0, 'stop-serving-leg', 'done'],
      [1, 'delete-leg', 'done'],
    ]);
  });

  it('says that a leg failed, and leaves nothing of it', async () => {
    const pool = new PoolFixture();
    await pool.start();
    const desired = await pool.want({ sizeBytes: POOL_CAPACITY_BYTES + 4096 });
    await pool.untilSaid(desired, 'failed');
    expect(pool.scheduler.saidOfLeg(desired.operationId)?.problem?.code).toBe('pool-full');
    expect(pool.world.legs.size).toBe(0);
  });

  it('never takes back a leg that was ready, whatever fails later', async () => {
    const pool = new PoolFixture();
    await pool.start(new Fuse(), {
      before: ({ step }) => {
        if (step?.kind === 'grow-leg') throw new DataPlaneError({ code: 'pool-full', detail: 'no room' });
      },
    });
    await pool.untilSaid(await pool.want(), 'ready');
    const grown = await pool.want({ sizeBytes: 16 * 1024 ** 2 });
    await pool.untilSaid(grown, 'working');
    await pool.clock.run(60_000);
    expect(pool.world.leg(LEG_ID).serving?.epoch).toBe(1);
  });

  it('never makes a leg anew that was in use and is gone, says so, and ends it when it is to go', async () => {
    const pool = new PoolFixture();
    await pool.start();
    const made = await pool.want();
    await pool.untilSaid(made, 'ready');
    const used = await pool.want({ role: 'current' });
    await pool.untilSaid(used, 'ready');
    pool.world.legs.delete(LEG_ID);
    await pool.untilSaid(used, 'working');
    await pool.clock.run(60_000);
    expect(pool.world.legs.size).toBe(0);
    expect(pool.scheduler.saidOfLeg(used.operationId)?.problem).toMatchObject({
      code: 'needs-operator',
      detail: expect.stringContaining('it is not made anew, empty'),
    });
    await pool.untilSaid(await pool.want({ tombstone: true, role: 'retiring' }), 'deleted');
  });

  it('keeps legs that a whole answer does not name, and says that it diverged', async () => {
    const pool = new PoolFixture();
    const agent = await pool.start();
    await pool.untilSaid(await pool.want(), 'ready');
    await agent.stop();
    await pool.store.save({ v: 1, incarnation: pool.scheduler.incarnation, revision: 0, items: [] });
    pool.scheduler.items.clear();
    await pool.start();
    await pool.clock.runUntil(
      'diverged is said',
      () => pool.scheduler.envelopes.at(-1)?.diverged?.includes(LEG_ID) === true,
    );
    expect(pool.world.leg(LEG_ID).serving?.epoch).toBe(1);
  });

  it('is killed at each of its moments of fencing a leg, and the next life completes it', async () => {
    for (let moment = 1, moments = Infinity; moment <= moments; moment++) {
      const pool = new PoolFixture();
      const first = await pool.start();
      const held = await pool.want();
      await pool.untilSaid(held, 'ready');
      await first.stop();
      const fuse = new Fuse(moment);
      void pool.start(fuse);
      const desired = await pool.want({ epoch: 2, holder: { ...held.holder, cardId: 'card-2' } });
      const isDone = () => pool.scheduler.saidOfLeg(desired.operationId)?.phase === 'ready';
      await pool.clock.runUntil('the agent is dead or done', () => fuse.blown || isDone());
      if (!fuse.blown) moments = moment;
      await pool.start();
      await pool.untilSaid(desired, 'ready');
      expect(pool.scheduler.saidOfLeg(desired.operationId)).toMatchObject({ epoch: 2 });
      expect(pool.world.leg(LEG_ID)).toMatchObject({ epoch: 2, serving: { epoch: 2, holderCardId: 'card-2' } });
    }
  });

  it.each([
    { name: 'making a leg', tombstone: false },
    { name: 'deleting a leg', tombstone: true },
  ])('is killed at each of its moments of $name, and the next life completes it', async ({ tombstone }) => {
    const wanted = tombstone ? ('deleted' as const) : ('ready' as const);
    for (let moment = 1, moments = Infinity; moment <= moments; moment++) {
      const pool = new PoolFixture();
      const first = await pool.start();
      if (tombstone) await pool.untilSaid(await pool.want(), 'ready');
      await first.stop();
      const fuse = new Fuse(moment);
      void pool.start(fuse);
      const desired = await pool.want({ tombstone });
      const isDone = () => pool.scheduler.saidOfLeg(desired.operationId)?.phase === wanted;
      await pool.clock.runUntil('the agent is dead or done', () => fuse.blown || isDone());
      if (!fuse.blown) moments = moment;
      await pool.start();
      await pool.untilSaid(desired, wanted);
      expect(pool.world.legs.get(LEG_ID)?.serving?.epoch).toBe(tombstone ? undefined : 1);
    }
  });
});
