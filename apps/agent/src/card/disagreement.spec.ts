import type { ObservedVolume } from '@flexbso/contracts';
import type { CallHooks } from '@flexbso/dataplane-memory';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';

/** What somebody else could have made of a volume that the journal knows on its first stack, encrypted. */
const disagreements: readonly { name: string; made: (observed: ObservedVolume) => ObservedVolume }[] = [
  {
    name: 'a head on a stack that nobody recorded',
    made: (observed) => ({
      ...observed,
      head: observed.head && { ...observed.head, stackGeneration: 7 },
      stacks: observed.stacks.map((stack) => ({ ...stack, stackGeneration: 7 })),
    }),
  },
  { name: 'another leg beneath the head', made: withLeg((leg) => ({ ...leg, legId: 'leg-0000000077' })) },
  { name: 'a leg of another epoch', made: withLeg((leg) => ({ ...leg, epoch: 2 })) },
  {
    name: 'another key',
    made: (observed) => ({
      ...observed,
      stacks: observed.stacks.map((stack) => ({ ...stack, keyRef: 'key-0000000077' })),
    }),
  },
  {
    name: 'another layer',
    made: (observed) => ({ ...observed, stacks: observed.stacks.map((stack) => ({ ...stack, layers: [] })) }),
  },
  {
    name: 'another function',
    made: (observed) => ({ ...observed, exports: observed.exports.map((shown) => ({ ...shown, functionId: 'vf-9' })) }),
  },
  { name: 'a larger device', made: withSize((sizeBytes) => sizeBytes * 2) },
  { name: 'a smaller device', made: withSize((sizeBytes) => sizeBytes / 2) },
  { name: 'an export without a head', made: (observed) => ({ ...observed, head: null }) },
];

function withLeg(change: (leg: ObservedVolume['stacks'][number]['legs'][number]) => typeof leg) {
  return (observed: ObservedVolume): ObservedVolume => ({
    ...observed,
    stacks: observed.stacks.map((stack) => ({ ...stack, legs: stack.legs.map(change) })),
  });
}

function withSize(change: (sizeBytes: number) => number) {
  return ({ head, ...observed }: ObservedVolume): ObservedVolume => ({
    ...observed,
    head: head && { ...head, sizeBytes: change(head.sizeBytes) },
  });
}

const encrypted: Wish = { layers: [{ kind: 'encryption' }], qos: { iopsTotal: 500 } };

/** Counts what the agent has its data plane do. */
class Watched implements CallHooks {
  readonly acts: string[] = [];
  before: NonNullable<CallHooks['before']> = ({ method, step }) => {
    if (method === 'perform' || method === 'undo') this.acts.push(`${method} ${step?.kind}`);
  };
}

async function atRest() {
  const card = new CardFixture();
  const watched = new Watched();
  await card.start(undefined, watched);
  const desired = await card.settle(encrypted);
  watched.acts.length = 0;
  return { card, watched, desired };
}

/** What the data plane has, and the legs with what is written to them. */
const everything = (card: CardFixture) => JSON.stringify([card.observed(), [...card.world.legs]]);

const strangeStack = { stackGeneration: 9, legs: [{ legId: 'leg-0000000099', epoch: 1 }], layers: [], keyRef: null };

it.each<{ name: string; made: (observed: ObservedVolume) => ObservedVolume }>([
  { name: 'another open stack', made: (seen) => ({ ...seen, stacks: [...seen.stacks, strangeStack] }) },
  {
    name: 'a copy that runs into another stack',
    made: (seen) => ({
      ...seen,
      stacks: [...seen.stacks, strangeStack],
      copy: { toStackGeneration: 9, state: 'running', doneBytes: 1, totalBytes: 5, error: null },
    }),
  },
])('what stands beside the head, which carries nobody, is closed: $name', async ({ made }) => {
  const { card, watched, desired } = await atRest();
  card.card.change(VOLUME_ID, made);
  await card.clock.runUntil('it is closed', () => isSettled(card.observed(), plannedVolumeOf(desired)));
  expect(watched.acts).toEqual(['perform close-stack']);
});

describe.each(disagreements)('what is observed disagrees with the journal: $name', ({ made }) => {
  it('is told of a volume at rest with what was seen, nothing is touched, and it is settled again once that is mended', async () => {
    const { card, watched, desired } = await atRest();
    const asItWas = card.observed();
    card.card.change(VOLUME_ID, made);
    const before = everything(card);
    await card.untilSaid(desired, 'needs-operator');
    const report = card.scheduler.said(desired.operationId);
    expect(report).toMatchObject({ problem: { code: 'needs-operator' }, observed: card.observed() });
    await card.clock.run(120_000);
    expect(watched.acts).toEqual([]);
    expect(everything(card)).toBe(before);
    card.card.change(VOLUME_ID, () => asItWas);
    await card.untilSaid(desired, 'settled');
    expect(watched.acts).toEqual([]);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });

  it('keeps a change from beginning, also in the next life of the agent', async () => {
    const { card, watched } = await atRest();
    card.card.change(VOLUME_ID, made);
    const desired = await card.want({ newStack: true });
    const before = everything(card);
    await card.untilSaid(desired, 'needs-operator');
    expect(card.scheduler.said(desired.operationId)).toMatchObject({
      problem: { code: 'needs-operator' },
      observed: card.observed(),
      closedLegIds: [],
    });
    await card.start(undefined, watched);
    await card.clock.run(120_000);
    expect(watched.acts).toEqual([]);
    expect(everything(card)).toBe(before);
  });
});
