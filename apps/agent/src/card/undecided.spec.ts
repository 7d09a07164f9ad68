import { DataPlaneError } from '@flexbso/dataplane-port';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';

/** The intent to cut over is on disk, and the copy is gone without a word of how it ended. */
async function undecided() {
  const card = new CardFixture();
  const acts: string[] = [];
  let isMet = false;
  await card.start(undefined, {
    before: ({ method, step }) => {
      if (isMet && (method === 'perform' || method === 'undo')) acts.push(`${method} ${step?.kind}`);
      if (isMet || method !== 'perform' || step?.kind !== 'cut-over') return;
      isMet = true;
      card.card.setCopy(VOLUME_ID, null);
      throw new DataPlaneError({ code: 'data-plane-failed', detail: 'gone' });
    },
  });
  const first = await card.settle({});
  const desired = await card.want({ newStack: true });
  await card.untilSaid(desired, 'needs-operator');
  return { card, acts, first, desired };
}

describe('a change for which an operator has to decide', () => {
  it('is left alone as long as both stacks are open, also in the next life of the agent and when the data plane dies', async () => {
    const { card, acts, desired } = await undecided();
    const before = card.observed();
    await card.clock.run(60_000);
    await card.start();
    await card.clock.run(60_000);
    expect(card.observed()).toEqual(before);
    card.card.kill(VOLUME_ID);
    await card.clock.run(60_000);
    expect(card.observed().running).toBe(false);
    expect(card.scheduler.said(desired.operationId)?.phase).toBe('needs-operator');
    expect(acts).toEqual([]);
  });

  it('is undone once only the old stack is open, and settled once only the new one is', async () => {
    const old = await undecided();
    old.card.card.change(VOLUME_ID, (seen) => ({
      ...seen,
      stacks: seen.stacks.filter(({ stackGeneration }) => stackGeneration === old.first.stack.stackGeneration),
    }));
    await old.card.untilSaid(old.desired, 'undone');
    expect(isSettled(old.card.observed(), plannedVolumeOf(old.first))).toBe(true);
    expect(old.card.scheduler.said(old.desired.operationId)?.closedLegIds).toEqual(
      old.desired.stack.legs.map(({ legId }) => legId),
    );

    const anew = await undecided();
    const { stackGeneration } = anew.desired.stack;
    anew.card.card.change(VOLUME_ID, (seen) => ({
      ...seen,
      head: seen.head && { ...seen.head, stackGeneration },
      stacks: seen.stacks.filter((stack) => stack.stackGeneration === stackGeneration),
    }));
    await anew.card.untilSaid(anew.desired, 'settled');
    expect([...old.acts, ...anew.acts]).toEqual([]);
  });
});
