import type { DesiredVolume } from '@flexbso/contracts';
import type { CallHooks } from '@flexbso/dataplane-memory';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';

const mirror = [{ kind: 'raid1', legCount: 3 }];

/** Answers success to this step of the second stack once, when `isArmed`, and does nothing. */
function lyingOf(kind: 'build-redundancy' | 'build-overlay', isArmed: () => boolean): NonNullable<CallHooks['lies']> {
  let times = 1;
  return ({ method, step }) =>
    method === 'perform' && step?.kind === kind && step.stackGeneration === 2 && isArmed() && times-- > 0;
}

/** An overlay on what the volume runs on. */
function overlayOn(card: CardFixture, before: DesiredVolume): DesiredVolume {
  return { ...card.next({ newStack: true, origin: 'healing' }), bases: [before.stack] };
}

describe('a data plane that says it has built a layer, and has not,', () => {
  it('is not cut over to an overlay without it, which is built again', async () => {
    const card = new CardFixture();
    const done: string[] = [];
    await card.start(undefined, {
      lies: lyingOf('build-redundancy', () => true),
      after: ({ method, step }) => void (method === 'perform' && step && done.push(step.kind)),
    });
    const first = await card.settle({ layers: mirror });
    const before = card.card.guestWrites(VOLUME_ID);
    const desired = overlayOn(card, first);
    done.length = 0;
    await card.scheduler.want(VOLUME_ID, desired);
    await card.untilSaid(desired, 'settled');
    const built = ['build-redundancy', 'format-overlay', 'build-overlay'];
    const opened = ['open-leg', 'open-leg', 'open-leg'];
    expect(done).toEqual([...opened, ...built, 'close-stack', ...opened, ...built, 'cut-over']);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it('opens the stack anew that was to be cut over to when it died', async () => {
    const card = new CardFixture();
    let hasDied = false;
    await card.start(undefined, {
      lies: lyingOf('build-redundancy', () => hasDied),
      before: ({ method, step }) => {
        if (method !== 'perform' || step?.kind !== 'cut-over' || hasDied) return;
        hasDied = true;
        card.card.kill(VOLUME_ID);
      },
    });
    await card.settle({ layers: [{ kind: 'encryption' }, ...mirror] });
    const before = card.card.guestWrites(VOLUME_ID);
    const desired = await card.settle({ newStack: true });
    expect(hasDied).toBe(true);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it('shows no overlay without its base to the guest', async () => {
    const card = new CardFixture();
    let hasDied = false;
    await card.start(undefined, { lies: lyingOf('build-overlay', () => hasDied) });
    const desired = overlayOn(card, await card.settle({}));
    const before = card.card.guestWrites(VOLUME_ID);
    await card.scheduler.want(VOLUME_ID, desired);
    await card.untilSaid(desired, 'settled');
    hasDied = true;
    card.card.kill(VOLUME_ID);
    await card.clock.runUntil('it is served again', () => card.observed().exports.length > 0);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });
});
