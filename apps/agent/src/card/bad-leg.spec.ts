import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { QUIET_MS } from './leg-faults.js';

const aSecond = 1_000;
const safeMirror = { layers: [{ kind: 'raid1', legCount: 3, safeRead: true }] };

describe('a card agent whose volume has a bad leg', () => {
  it('tells of it at once, and that it was repaired once nothing more is found', async () => {
    const card = new CardFixture();
    await card.start();
    const { operationId, stack } = await card.settle(safeMirror);
    const legId = stack.legs[1]?.legId ?? '';
    const faults = () => card.scheduler.said(operationId)?.legFaults ?? [];
    expect(faults()).toEqual([]);
    card.card.guestWrites(VOLUME_ID);
    card.world.leg(legId).writes = 0;
    expect(card.card.guestReads(VOLUME_ID)).toBe(1);
    const foundAtMs = card.clock.nowMs();
    await card.clock.runUntil('it is told', () => faults().length > 0);
    expect(card.clock.nowMs()).toBeLessThan(foundAtMs + aSecond);
    expect(faults()).toMatchObject([{ legId, kind: 'differs', findings: 1, repaired: false }]);
    await card.clock.runUntil('it is told to be repaired', () => faults()[0]?.repaired === true);
    expect(card.clock.nowMs()).toBeGreaterThanOrEqual(foundAtMs + QUIET_MS);
    expect(card.world.leg(legId).writes).toBe(1);
  });

  it('does not repeat itself about a leg that stays bad', async () => {
    const card = new CardFixture();
    await card.start();
    const { operationId, stack } = await card.settle(safeMirror);
    const legId = stack.legs[0]?.legId ?? '';
    const finding = { legId, kind: 'write-failed', offsetBytes: 0, lengthBytes: 512, isWrittenOver: false } as const;
    const told = new Set<number>();
    for (let second = 0; second < 200; second++) {
      card.card.legIsBad(VOLUME_ID, finding);
      await card.clock.run(aSecond);
      told.add(card.scheduler.said(operationId)?.legFaults[0]?.findings ?? 0);
    }
    expect([...told]).toEqual([1, 2, 4, 8, 16, 32, 64, 128]);
  });

  it('forgets what was found of legs that it has swapped away', async () => {
    const card = new CardFixture();
    await card.start();
    const { stack } = await card.settle(safeMirror);
    const legId = stack.legs[0]?.legId ?? '';
    card.card.legIsBad(VOLUME_ID, { legId, kind: 'differs', offsetBytes: 0, lengthBytes: 512, isWrittenOver: true });
    await card.clock.run(aSecond);
    const next = await card.settle({ newStack: true });
    await card.clock.run(60 * aSecond);
    expect(card.scheduler.said(next.operationId)?.legFaults).toEqual([]);
  });
});
