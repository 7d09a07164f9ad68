import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { openSealer } from '../testing/test-agent.js';

describe('a card agent whose volume has a leg open', () => {
  it('says that a leg is served at another address than it is open, and settled again once it is not', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const legs = first.stack.legs.map((leg) => ({
      ...leg,
      address: { kind: 'nbd' as const, host: 'pool-4', port: 20901, exportName: 'leg' },
    }));
    const moved = { ...first, stack: { ...first.stack, legs } };
    await card.scheduler.want(VOLUME_ID, moved);
    await card.untilSaid(first, 'working');
    expect(card.scheduler.said(first.operationId)).toMatchObject({
      waitingFor: 'a leg is served at another address',
      problem: { code: 'data-plane-failed', detail: expect.stringContaining('its pool serves it at pool-4:20901') },
    });
    const count = card.scheduler.volumeReports.length;
    await card.clock.run(60_000);
    expect(card.scheduler.volumeReports.length).toBe(count);
    card.card.kill(VOLUME_ID);
    await card.untilSaid(first, 'settled');
    expect(card.card.openLegs(VOLUME_ID)).toMatchObject([{ address: { port: 20901 } }]);
  });

  it('says that a leg is served with another key than it is open with, also after a restart', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const first = await card.settle({});
    await agent.stop();
    const access = { identity: 'card-1.leg.1.ffff', sealedKey: openSealer.seal(Buffer.from('psk'), '') };
    const legs = first.stack.legs.map((leg) => ({ ...leg, access }));
    await card.scheduler.want(VOLUME_ID, { ...first, stack: { ...first.stack, legs } }, false);
    await card.start();
    await card.untilSaid(first, 'working');
    expect(card.scheduler.said(first.operationId)?.problem?.detail).toContain('with a key that its pool has replaced');
  });
});
