import { type CardStepKind, cardStepSchema } from '@flexbso/contracts';
import { cardStepTable, expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { VOLUME_ID } from '../testing/card-fixture.js';
import { type Changed, changes } from '../testing/changes.js';
import { Fuse } from '../testing/fuse.js';
import { keptCount } from '../testing/kept-counts.js';
import { type Prepared, prepared, writesOn } from '../testing/prepared.js';

/** Cancels a change when its n-th step is about to be done, and then has the agent die at the m-th moment from there. */
async function cancelledAt({ card }: Prepared, changed: Changed, step: number, dies: number) {
  const fuse = new Fuse();
  let steps = 0;
  const undos: string[] = [];
  let momentsBefore = 0;
  await card.start(fuse, {
    before: async (call) => {
      if (call.method === 'undo') undos.push(call.step?.kind ?? '');
      if (call.method !== 'perform' || !card.wanted || ++steps !== step) return;
      momentsBefore = fuse.moments.length;
      fuse.blowIn(dies);
      await card.scheduler.want(VOLUME_ID, { ...card.wanted, cancelled: true });
    },
  });
  const { operationId } = await card.want(changed.change);
  const phase = () => card.scheduler.said(operationId)?.phase ?? 'nothing said';
  const hasEnded = () => ['settled', 'gone', 'undone'].includes(phase());
  await card.clock.runUntil('the agent is dead or done', () => fuse.blown || hasEnded());
  return { phase: phase(), undos, steps, moment: fuse.moments.at(-1), moments: fuse.moments.length - momentsBefore };
}

/** How the change ends in a life after that death; without a volume before it, nothing of it is there. */
async function endOf({ card, written, frozen }: Prepared, previous: Prepared['card']['wanted']) {
  await card.start();
  const phase = () => card.scheduler.said(card.wanted?.operationId ?? '')?.phase ?? 'nothing said';
  await card.clock.runUntil('it ended', () => ['settled', 'gone', 'undone'].includes(phase()));
  const { exports: _, ...observed } = card.observed();
  const { exports: _e, ...expected } = previous
    ? expectedObservation(plannedVolumeOf(previous))
    : { exports: [], volumeId: VOLUME_ID, running: false, head: null, stacks: [], copy: null };
  const read = observed.head ? card.card.guestReads(VOLUME_ID) : written;
  return { phase: phase(), observed, expected, read, written, frozen, stillFrozen: writesOn(card, frozen.keys()) };
}

/** The last step at which a cancel still takes the change back: from there the way back is the longest. */
async function deepest(changed: Changed) {
  const calm = await cancelledAt(await prepared(changed), changed, Infinity, Infinity);
  for (let step = calm.steps; step > 0; step--) {
    const end = await cancelledAt(await prepared(changed), changed, step, Infinity);
    if (end.phase === 'undone' && end.undos.length > 0) return { step, ...end };
  }
  return null;
}

/** Of one act, or with no way back from their first step on: a cancel leaves nothing to take back. */
const withoutWayBack = [
  'set limits',
  'lift limits',
  'grow where it is',
  'grow where it is, encrypted with limits',
  'give up to another card',
  'move to another function',
  'delete with a snapshot',
  'delete',
];
/** With the guest's volume shown, or its limits set, the change is done. */
const withItNoWayBack: readonly CardStepKind[] = ['export-volume', 'set-limits'];
const withWayBack = changes.filter(({ name }) => !withoutWayBack.includes(name));
const undoneKinds = new Set<string>();
let cases = 0;

describe.each(withWayBack)('$name, cancelled, with the agent killed at each moment of the way back', (changed) => {
  it.each([
    { what: 'alone', killsDataPlane: false },
    { what: 'and the data plane with it', killsDataPlane: true },
  ])('is as it was before: $what', async ({ killsDataPlane }) => {
    const calm = await deepest(changed);
    if (!calm) throw new Error('there is no way back');
    for (const kind of calm.undos) undoneKinds.add(kind);
    for (let dies = 1; dies <= calm.moments; dies++) {
      const before = await prepared(changed);
      const { card } = before;
      const previous = card.wanted;
      const { moment } = await cancelledAt(before, changed, calm.step, dies);
      if (killsDataPlane) card.card.kill(VOLUME_ID);
      const end = await endOf(before, previous);
      expect({ dies, moment, ...end }).toEqual({
        dies,
        moment,
        ...end,
        phase: 'undone',
        observed: end.expected,
        read: end.written,
        stillFrozen: end.frozen,
      });
      cases++;
    }
  });
});

it.each(changes.filter(({ name }) => withoutWayBack.includes(name)))('$name has no way back', async (changed) => {
  expect(await deepest(changed)).toBeNull();
});

it('meets every kind of step that is taken back before the cut-over', () => {
  const taken = cardStepSchema.options.map((option) => option.shape.kind.value);
  const undoable = taken.filter((kind) => cardStepTable[kind].undo !== null && !withItNoWayBack.includes(kind));
  expect([...undoneKinds].toSorted()).toEqual(undoable.toSorted());
});

it('has not become smaller', () => {
  expect(cases).toBeGreaterThanOrEqual(keptCount('undoKillsInMemory'));
});
