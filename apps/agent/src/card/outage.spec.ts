import type { Call } from '@flexbso/dataplane-memory';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';

const aSecond = 1_000;
const isExport = ({ method, step }: Call) => method === 'perform' && step?.kind === 'export-volume';

describe('a card agent whose volume was away', () => {
  it('builds it again at once when it sees its data plane go, and says exactly how long it was away', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    expect(card.scheduler.said(first.operationId)?.outage).toBeNull();
    await card.clock.run(20 * aSecond);
    const goneAtMs = card.clock.nowMs();
    card.card.kill(VOLUME_ID);
    await card.clock.runUntil('it is said', () => card.scheduler.said(first.operationId)?.outage !== null);
    const outage = card.scheduler.said(first.operationId)?.outage;
    expect(outage).toMatchObject({ fromMs: goneAtMs, fromIsExact: true, guestMustReset: false });
    expect(outage?.untilMs).toBeLessThan(goneAtMs + aSecond);
    expect(card.observed().exports).toHaveLength(1);
  });

  it('counts from the last sign of the life before when both went together, across a crash in the middle', async () => {
    const card = new CardFixture();
    const fuse = new Fuse();
    await card.start(fuse);
    const first = await card.settle({});
    const lastSignMs = card.clock.nowMs();
    fuse.blow();
    card.card.killAll();
    await card.clock.run(60 * aSecond);
    card.lastSignMs = lastSignMs;
    // The second life dies as it begins to build; what it noticed is in the journal.
    const second = new Fuse();
    await card.start(second, { before: ({ method }) => (method === 'perform' ? second.blow() : undefined) });
    await card.clock.run(10 * aSecond);
    card.lastSignMs = card.clock.nowMs();
    await card.start();
    await card.clock.runUntil('it is said', () => card.scheduler.said(first.operationId)?.outage !== null);
    const outage = card.scheduler.said(first.operationId)?.outage;
    expect(outage).toMatchObject({ fromMs: lastSignMs, fromIsExact: false });
    expect(outage?.untilMs).toBeGreaterThanOrEqual(lastSignMs + 70 * aSecond);
  });

  describe.each([
    { what: 'an overlay that was killed', wishes: [{}, { snapshot: true as const }], how: 'kill', isLost: true },
    { what: 'an overlay that ended in order', wishes: [{}, { snapshot: true as const }], how: 'end', isLost: false },
    { what: 'no overlay, and was killed', wishes: [{}], how: 'kill', isLost: false },
    {
      what: 'an overlay that was copied flat, and was killed',
      wishes: [{}, { snapshot: true as const }, { newStack: true }],
      how: 'kill',
      isLost: false,
    },
  ] as const)('on $what', ({ wishes, how, isLost }) => {
    it(`says ${isLost ? '' : 'nothing '}of unflushed writes that are lost, whether the agent saw it or not`, async () => {
      const card = new CardFixture();
      const agent = await card.start();
      for (const wish of wishes) await card.settle(wish);
      const { operationId = '' } = card.wanted ?? {};
      const lastOutage = () => card.scheduler.said(operationId)?.outage ?? null;
      card.card[how](VOLUME_ID);
      await card.clock.runUntil('it is said', () => lastOutage() !== null);
      expect(lastOutage()?.unflushedLost ?? false).toBe(isLost);
      await agent.stop();
      const seenUntilMs = lastOutage()?.untilMs ?? 0;
      card.card[how](VOLUME_ID);
      await card.clock.run(aSecond);
      await card.start();
      await card.clock.runUntil('it is said again', () => (lastOutage()?.untilMs ?? 0) > seenUntilMs);
      expect(lastOutage()?.unflushedLost ?? false).toBe(isLost);
    });
  });

  it('says that unflushed writes are lost when an overlay dies again before it was seen to serve', async () => {
    const card = new CardFixture();
    const fuse = new Fuse();
    await card.start(fuse);
    await card.settle({});
    const { operationId } = await card.settle({ snapshot: true });
    fuse.blow();
    card.card.end(VOLUME_ID);
    const second = new Fuse();
    await card.start(second, { after: (call) => (isExport(call) ? second.blow() : undefined) });
    await card.clock.runUntil('it serves', () => second.blown);
    card.card.kill(VOLUME_ID);
    await card.start();
    await card.clock.runUntil('it is said', () => card.scheduler.said(operationId)?.outage !== null);
    expect(card.scheduler.said(operationId)?.outage).toMatchObject({ unflushedLost: true });
  });

  it('is not away when an operator has it removed', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    const gone = await card.settle({ tombstone: true });
    expect(card.scheduler.said(gone.operationId)?.outage).toBeNull();
  });
});
