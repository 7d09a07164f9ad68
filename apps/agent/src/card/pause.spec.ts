import type { DesiredVolume } from '@flexbso/contracts';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';

const encrypted: Wish = { newStack: true, layers: [{ kind: 'encryption' }] };

/** Under the operation that the card has. */
function pause(card: CardFixture, desired: DesiredVolume): Promise<void> {
  return card.scheduler.want(VOLUME_ID, { ...desired, paused: true });
}
function resume(card: CardFixture, desired: DesiredVolume): Promise<void> {
  return card.scheduler.want(VOLUME_ID, desired);
}
const isHolding = (card: CardFixture, { operationId }: DesiredVolume) =>
  card.scheduler.said(operationId)?.waitingFor === 'to be resumed';

describe('a change that is paused', () => {
  it('brings its copy to its end, is not cut over, and goes on when it is resumed', async () => {
    const performed: string[] = [];
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => void (method === 'perform' && performed.push(step?.kind ?? '')),
    });
    const first = await card.settle({});
    const written = card.card.guestWrites(VOLUME_ID);
    const desired = await card.want(encrypted);
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    await pause(card, desired);
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    await card.clock.run(60_000);
    expect(card.observed()).toMatchObject({
      copy: { state: 'ready' },
      head: { stackGeneration: first.stack.stackGeneration },
    });
    expect(performed.at(-1)).toBe('copy');
    await resume(card, desired);
    await card.untilSaid(desired, 'settled');
    expect(performed.filter((kind) => kind === 'copy')).toHaveLength(1);
    expect(card.card.guestReads(VOLUME_ID)).toBe(written);
  });

  it('does not begin when it was paused before, also after a restart of the agent', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const first = await card.settle({});
    const desired = card.next({ qos: { iopsTotal: 500 } });
    await pause(card, desired);
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    const sinceMs = card.scheduler.said(desired.operationId)?.waitingSinceMs;
    await card.clock.run(20_000);
    expect(card.scheduler.said(desired.operationId)?.waitingSinceMs).toBe(sinceMs);
    await agent.stop();
    await card.start();
    await card.clock.run(20_000);
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
    await resume(card, desired);
    await card.untilSaid(desired, 'settled');
  });

  it('goes on when the scheduler was put back to a time of which nothing is paused, and not before it says so', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    await card.settle({});
    const desired = await card.want(encrypted);
    await pause(card, desired);
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    card.scheduler.incarnation = crypto.randomUUID();
    card.scheduler.items.clear();
    await card.clock.run(60_000);
    expect(isHolding(card, desired)).toBe(true);
    card.scheduler.isResumed = true;
    await card.untilSaid(desired, 'settled');
    await agent.stop();
    // Under the order that it has, of which it was told once.
    card.scheduler.isResumed = false;
    await card.start();
    await card.clock.run(20_000);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
    expect(card.scheduler.envelopes.at(-1)?.diverged).toContain('incarnation');
  });

  it('brings a step to its end that its agent died in, and begins no further one', async () => {
    const performed: string[] = [];
    const card = new CardFixture();
    const agent = await card.start();
    await card.settle({});
    const desired = await card.want(encrypted);
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    await agent.stop();
    await card.scheduler.want(VOLUME_ID, { ...desired, paused: true }, false);
    await card.start(undefined, {
      before: ({ method, step }) => void (method === 'perform' && performed.push(step?.kind ?? '')),
    });
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    expect(performed).toEqual(['copy']);
    expect(card.observed().copy?.state).toBe('ready');
  });

  it('is completed when its cut-over is already intended', async () => {
    const card = new CardFixture();
    await card.start(undefined, {
      before: async ({ method, step }) => {
        if (method === 'perform' && step?.kind === 'cut-over' && card.wanted) await pause(card, card.wanted);
      },
    });
    await card.settle({ qos: { iopsTotal: 500 } });
    const desired = await card.settle(encrypted);
    expect(card.observed().head).toMatchObject({ stackGeneration: desired.stack.stackGeneration, widened: false });
  });

  it('does not keep a card from building again what the guest has', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const written = card.card.guestWrites(VOLUME_ID);
    const desired = await card.want(encrypted);
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    await pause(card, desired);
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    card.card.kill(VOLUME_ID);
    await card.clock.runUntil(
      'the guest is served again',
      () => card.observed().head?.stackGeneration === first.stack.stackGeneration && card.observed().exports.length > 0,
    );
    expect(card.card.guestReads(VOLUME_ID)).toBe(written);
    await card.clock.run(20_000);
    expect(isHolding(card, desired)).toBe(true);
  });

  it('can be cancelled without being resumed', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const desired = await card.want(encrypted);
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    await pause(card, desired);
    await card.clock.runUntil('it holds', () => isHolding(card, desired));
    await card.scheduler.want(VOLUME_ID, { ...desired, paused: true, cancelled: true });
    await card.untilSaid(desired, 'undone');
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
  });
});
