import type { DesiredVolume } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';

/** The same legs for another volume, as no scheduler should ever want it. */
const claimOf = (desired: DesiredVolume): DesiredVolume => ({
  ...desired,
  volumeId: 'vol-0000000002',
  operationId: 'op-0000000777',
  changeId: 'chg-0000000777',
  origin: 'healing',
});

describe('a leg that two volumes claim', () => {
  it('stays with the one that runs on it; the other is taken back with the reason, and nothing of the first is touched', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const before = card.observed();
    const claim = claimOf(first);
    await card.scheduler.want(claim.volumeId, claim);
    await card.untilSaid(claim, 'undone');
    const problem = card.scheduler.said(claim.operationId)?.problem;
    expect(problem).toMatchObject({ code: 'needs-operator', facts: { volumeId: VOLUME_ID } });
    expect(problem?.detail).toMatch(/^leg-\d+ is wanted for vol-0000000002, and vol-0000000001 runs on it on card-1/);
    expect(card.observed()).toEqual(before);
  });

  it('may be opened again by the volume that runs on it', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    card.card.kill(VOLUME_ID);
    await card.clock.run(10_000);
    expect(card.observed().head).not.toBeNull();
  });
});
