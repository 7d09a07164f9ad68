import { MemoryCardDataPlane } from '@flexbso/dataplane-memory';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';

const mirror = { layers: [{ kind: 'raid1', legCount: 3, safeRead: false }] };
let performed: ReturnType<typeof watch>;
const watch = () => vi.spyOn(MemoryCardDataPlane.prototype, 'perform');
beforeEach(() => {
  performed = watch();
});
afterEach(() => {
  performed.mockRestore();
});

/** Of the legs that were opened since the last call: whether the data plane may do without them. */
function maySpare(): (boolean | undefined)[] {
  const opened = performed.mock.calls.filter(([, step]) => step.kind === 'open-leg');
  performed.mockClear();
  return opened.map(([, , context]) => context.maySpareLegs);
}

it('a mirror may do without a leg when it is built again, and never when it is made', async () => {
  const card = new CardFixture();
  await card.start();
  await card.settle(mirror);
  expect(maySpare()).toEqual([false, false, false]);
  card.card.kill(VOLUME_ID);
  await card.clock.runUntil('it is served again', () => card.observed().exports.length === 1);
  expect(maySpare()).toEqual([true, true, true]);
  await card.settle({ newStack: true });
  expect(maySpare()).toEqual([false, false, false]);
});

it('a mirror may as well when all went down past the intent to cut over: the new stack has all that was written', async () => {
  const card = new CardFixture();
  const fuse = new Fuse();
  await card.start(fuse, {
    before: ({ step }) => {
      if (step?.kind !== 'cut-over') return;
      card.card.killAll();
      fuse.blow();
    },
  });
  await card.settle(mirror);
  const next = await card.want({ newStack: true });
  await card.clock.run(60_000);
  maySpare();
  await card.start();
  await card.clock.runUntil('it is served again', () => card.observed().exports.length === 1);
  expect(card.observed().head?.stackGeneration).toBe(next.stack.stackGeneration);
  expect(maySpare()).toEqual([true, true, true]);
});

it('a volume that cannot be built again for want of a leg says so after a while, and goes on by itself', async () => {
  const card = new CardFixture();
  await card.start();
  const { operationId, stack } = await card.settle(mirror);
  const leg = card.world.leg(stack.legs[1]?.legId ?? '');
  const { serving } = leg;
  leg.serving = null;
  card.card.kill(VOLUME_ID);
  await card.clock.runUntil('it is said', () => card.scheduler.said(operationId)?.phase === 'needs-operator');
  expect(card.scheduler.said(operationId)?.problem?.detail).toContain(leg.legId);
  leg.serving = serving;
  await card.clock.runUntil('it is settled again', () => card.scheduler.said(operationId)?.phase === 'settled');
  expect(card.observed().exports).toHaveLength(1);
});
