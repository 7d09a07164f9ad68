import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../ports/clock.js';
import { keptCount } from '../testing/kept-counts.js';
import { NamedFuse } from '../testing/named-fuse.js';
import type { CardFaults } from '../testing/qsd-card.js';
import { type QsdChanged, qsdChanges } from '../testing/qsd-changes.js';
import { endOf, prepared, previousOf, sound, WHOLE_MS, wholeQsdChanges } from '../testing/qsd-matrix.js';
import { FaultyPlane, FullDisk, type StepFault, stepFaults } from '../testing/step-faults.js';

/** Longer than an agent of these specs waits between two looks, so that it looks while the fault lasts. */
const pace = { lateMs: 3_000, unmendedMs: 3_000 };

async function changedWith(changed: QsdChanged, faults: CardFaults, arm: () => void) {
  const [card, guest] = await prepared(changed);
  try {
    const previous = previousOf(card, changed);
    await card.start(new NamedFuse(), faults);
    arm();
    await card.want(changed.change);
    return await endOf(card, guest, previous);
  } finally {
    await card.dispose();
  }
}

async function withFault(changed: QsdChanged, at: number, fault: StepFault) {
  const plane = new FaultyPlane(at, fault, systemClock, pace);
  const hooks = {
    before: (act: Parameters<FaultyPlane['before']>[0]) => plane.before(act),
    after: (act: Parameters<FaultyPlane['after']>[0]) => plane.after(act),
  };
  const end = await changedWith(changed, { hooks }, () => {
    plane.isArmed = true;
  });
  return { at: `${at}: ${plane.hit}`, isHit: plane.hit !== null, acts: plane.acts, ...end };
}

async function onFullDisk(changed: QsdChanged, at: number) {
  const disk = new FullDisk(at, systemClock, pace);
  const end = await changedWith(changed, { disk }, () => {
    disk.isArmed = true;
  });
  return { at, isHit: disk.wasFull, appends: disk.appends, ...end };
}

const completedPhase = ({ change }: QsdChanged) => (change.tombstone ? 'gone' : 'settled');
let cases = 0;

describe.each(qsdChanges)('on the real data plane: $name', (changed) => {
  let acts: readonly string[] = [];
  beforeAll(async () => {
    ({ acts } = await withFault(changed, 0, 'answer-lost'));
  });

  it.each(changed.kinds)('is completed when the answer to %s is lost', async (kind) => {
    const end = await withFault(changed, acts.indexOf(`perform ${kind}`) + 1, 'answer-lost');
    expect(end).toEqual({ ...end, ...sound(end), isHit: true, phase: completedPhase(changed) });
    cases++;
  });
});

it('has not become smaller', () => {
  expect(cases).toBeGreaterThanOrEqual(keptCount('faultsOnQsd'));
});

let wholeCases = 0;

describe.each(wholeQsdChanges)('of the whole product on the real data plane: $name', (changed) => {
  const completed = completedPhase(changed);

  it.each(stepFaults)(
    'ends in the new state or the old at each of its steps: %s',
    { timeout: WHOLE_MS },
    async (fault) => {
      const calm = await withFault(changed, 0, fault);
      const mayGoBack = fault === 'fails-for-good' && !changed.change.tombstone;
      for (let at = 1; at <= calm.acts.length; at++) {
        const end = await withFault(changed, at, fault);
        expect(end).toEqual({ ...end, ...sound(end), isHit: true });
        expect([completed, ...(mayGoBack ? ['undone'] : [])]).toContain(end.phase);
        wholeCases++;
      }
    },
  );

  it('waits, and loses nothing, while the disk of its journal is full', { timeout: WHOLE_MS }, async () => {
    const calm = await onFullDisk(changed, 0);
    for (let at = 1; at <= calm.appends; at++) {
      const end = await onFullDisk(changed, at);
      expect(end).toEqual({ ...end, ...sound(end), isHit: true, phase: completed });
      wholeCases++;
    }
  });
});

it.each(wholeQsdChanges.slice(0, 1))('of the whole product, has not become smaller', () => {
  expect(wholeCases).toBeGreaterThanOrEqual(keptCount('wholeFaultsOnQsd'));
});
