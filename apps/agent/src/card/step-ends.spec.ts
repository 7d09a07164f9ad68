import type { DesiredVolume } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { CardFixture, type Wish } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';
import { FaultyPlane } from '../testing/step-faults.js';

const encrypted: Wish = { newStack: true, layers: [{ kind: 'encryption' }] };

async function prepared(): Promise<CardFixture> {
  const card = new CardFixture();
  const agent = await card.start();
  await card.settle({ qos: { iopsTotal: 500 } });
  await agent.stop();
  return card;
}

async function killedAt(card: CardFixture, fuse: Fuse): Promise<DesiredVolume> {
  let isStarted = false;
  void card.start(fuse).then(() => void (isStarted = true));
  await card.clock.runUntil('the agent is dead or has started', () => fuse.blown || isStarted);
  const desired = await card.want(encrypted);
  const isSettled = () => card.scheduler.said(desired.operationId)?.phase === 'settled';
  await card.clock.runUntil('the agent is dead or done', () => fuse.blown || isSettled());
  return desired;
}

/** Steps of the settled change that are told as anything but done. */
const openEnds = (card: CardFixture, { operationId }: DesiredVolume) =>
  card.scheduler.said(operationId)?.steps.filter(({ outcome }) => outcome !== 'done');

/** Steps that were told as under way in one report together with the copy. */
const besideTheCopy = (card: CardFixture, { operationId }: DesiredVolume) =>
  card.scheduler.volumeReports
    .filter((report) => report.operationId === operationId)
    .map(({ steps }) => steps.filter(({ outcome }) => outcome === 'running').map(({ kind }) => kind))
    .filter((kinds) => kinds.length > 1 && kinds.includes('copy'));

describe('a step of which no end was heard', () => {
  it('is told as done once its effect is seen, at whichever moment its agent died', async () => {
    const calm = await prepared();
    const all = new Fuse();
    await killedAt(calm, all);
    for (let moment = 1; moment <= all.moments.length; moment++) {
      const card = await prepared();
      const desired = await killedAt(card, new Fuse(moment));
      await card.start();
      await card.untilSaid(desired, 'settled');
      const told = { moment, open: openEnds(card, desired), beside: besideTheCopy(card, desired) };
      expect(told).toEqual({ moment, open: [], beside: [] });
    }
    expect(all.moments.length).toBeGreaterThan(60);
  });

  it('is told as done when its answer was lost and its effect is seen', async () => {
    let hits = 0;
    for (let call = 1; call <= 12; call++) {
      const card = await prepared();
      const plane = new FaultyPlane(call, 'answer-lost', card.clock);
      await card.start(new Fuse(), plane);
      plane.isArmed = true;
      const desired = await card.settle(encrypted);
      if (plane.hit === null) continue;
      hits++;
      expect({ hit: plane.hit, open: openEnds(card, desired) }).toEqual({ hit: plane.hit, open: [] });
    }
    expect(hits).toBeGreaterThan(6);
  });
});
