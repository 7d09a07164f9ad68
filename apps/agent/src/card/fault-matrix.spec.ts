import { cardStepSchema } from '@flexbso/contracts';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { VOLUME_ID } from '../testing/card-fixture.js';
import { type Changed, changes } from '../testing/changes.js';
import { Fuse } from '../testing/fuse.js';
import { keptCount } from '../testing/kept-counts.js';
import { type Prepared, prepared, writesOn } from '../testing/prepared.js';
import { FaultyPlane, FullDisk, type StepFault, stepFaults } from '../testing/step-faults.js';

/** How the change ended, and what runs then beside what should. */
async function endOf({ card, written, frozen }: Prepared, previous: Prepared['card']['wanted']) {
  const { wanted } = card;
  if (!wanted) throw new Error('nothing is wanted');
  const phase = () => card.scheduler.said(wanted.operationId)?.phase ?? 'nothing said';
  const ended = () => ['settled', 'gone', 'undone'].includes(phase());
  await card.clock.runUntil(`it ended; last said: ${phase()}`, ended, 900_000);
  const current = phase() === 'undone' ? previous : wanted;
  const { exports: _, ...observed } = card.observed();
  const { exports: _e, ...expected } = current
    ? expectedObservation(plannedVolumeOf(current))
    : { exports: [], volumeId: VOLUME_ID, running: false, head: null, stacks: [], copy: null };
  const read = observed.head ? card.card.guestReads(VOLUME_ID) : written;
  return { phase: phase(), observed, expected, read, written, frozen, stillFrozen: writesOn(card, frozen.keys()) };
}

async function withFault(changed: Changed, at: number, fault: StepFault) {
  const before = await prepared(changed);
  const { card } = before;
  const previous = card.wanted;
  const plane = new FaultyPlane(at, fault, card.clock);
  await card.start(new Fuse(), {
    before: (call) => plane.before(call),
    after: (call) => plane.after(call),
  });
  plane.isArmed = true;
  await card.want(changed.change);
  const end = await endOf(before, previous);
  return { at: `${at}: ${plane.hit}`, isHit: plane.hit !== null, acts: plane.acts, ...end };
}

async function onFullDisk(changed: Changed, at: number) {
  const before = await prepared(changed);
  const { card } = before;
  const previous = card.wanted;
  const disk = new FullDisk(at, card.clock);
  await card.start(disk);
  disk.isArmed = true;
  await card.want(changed.change);
  return { at, ...(await endOf(before, previous)), isHit: disk.wasFull, appends: disk.appends };
}

const asItShould = (end: Awaited<ReturnType<typeof endOf>>) => ({
  ...end,
  observed: end.expected,
  read: end.written,
  stillFrozen: end.frozen,
});
let cases = 0;
const met = new Set<string>();

describe.each(changes)('$name', (changed) => {
  const { change } = changed;
  const completed = change.tombstone ? 'gone' : 'settled';

  it.each(stepFaults)('ends in the new state or the old at each of its steps: %s', async (fault) => {
    const calm = await withFault(changed, 0, fault);
    for (const act of calm.acts) met.add(act);
    const phases: string[] = [];
    for (let at = 1; at <= calm.acts.length; at++) {
      const end = await withFault(changed, at, fault);
      expect(end).toEqual({ ...end, ...asItShould(end), isHit: true });
      phases.push(end.phase);
      cases++;
    }
    // What may succeed later is never a reason to take a change back; what cannot is one, while there is a way back.
    const mayGoBack = fault === 'fails-for-good' && !change.tombstone;
    expect(phases).toContain(mayGoBack ? 'undone' : completed);
    expect([completed, ...(mayGoBack ? ['undone'] : [])]).toEqual(expect.arrayContaining(phases));
  });

  it('waits, and loses nothing, while the disk of its journal is full', async () => {
    const calm = await onFullDisk(changed, 0);
    for (let at = 1; at <= calm.appends; at++) {
      const end = await onFullDisk(changed, at);
      expect(end).toEqual({ ...end, ...asItShould(end), isHit: true, phase: completed });
      cases++;
    }
  });
});

it('meets every kind of step that the planner has', () => {
  const kinds = cardStepSchema.options.map((option) => `perform ${option.shape.kind.value}`);
  expect([...met]).toEqual(expect.arrayContaining(kinds));
});

it('has not become smaller', () => {
  expect(cases).toBeGreaterThanOrEqual(keptCount('faultsInMemory'));
});
