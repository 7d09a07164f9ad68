import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';

const aSecond = 1_000;

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

  it('is not away when an operator has it removed', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    const gone = await card.settle({ tombstone: true });
    expect(card.scheduler.said(gone.operationId)?.outage).toBeNull();
  });
});
