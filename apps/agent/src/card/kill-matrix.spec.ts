import type { ObservedVolume } from '@flexbso/contracts';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { type CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';
import { type Changed, changes, withoutSteps } from '../testing/changes.js';
import { Fuse } from '../testing/fuse.js';
import { keptCount } from '../testing/kept-counts.js';
import { prepared, writesOn } from '../testing/prepared.js';

/** Makes the change with an agent that dies at its n-th moment, and gives how many moments it had. */
async function killedAt(card: CardFixture, change: Wish, moment: number): Promise<Fuse> {
  const fuse = new Fuse(moment);
  // One that dies while it starts never has started.
  let isStarted = false;
  void (async () => {
    await card.start(fuse);
    isStarted = true;
  })();
  await card.clock.runUntil('the agent is dead or has started', () => fuse.blown || isStarted);
  const desired = await card.want(change);
  const end = desired.tombstone ? 'gone' : 'settled';
  await card.clock.runUntil(
    'the agent is dead or done',
    () => fuse.blown || card.scheduler.said(desired.operationId)?.phase === end,
  );
  return fuse;
}

/** The guest writes on while no agent runs, where it is served. */
function writeOn(card: CardFixture, written: number): number {
  return card.observed().exports.length > 0 && card.observed().head ? card.card.guestWrites(VOLUME_ID) : written;
}

/** The change after such a death, by the agent's next life: how it ended, with the guest's data checked. */
async function afterDeath(changed: Changed, moment: number, killsDataPlane: boolean) {
  const { card, written, frozen } = await prepared(changed);
  const previous = card.wanted;
  const fuse = await killedAt(card, changed.change, moment);
  const expected = writeOn(card, written);
  if (killsDataPlane) card.card.kill(VOLUME_ID);
  await card.start();
  const { wanted } = card;
  if (!wanted) throw new Error('nothing is wanted');
  const phase = () => card.scheduler.said(wanted.operationId)?.phase ?? 'nothing said';
  await card.clock.runUntil('it ended', () => ['settled', 'gone', 'undone'].includes(phase()));
  const current = phase() === 'undone' ? previous : wanted;
  if (!current) throw new Error('it was undone, and there was nothing before');
  return {
    moment: `${moment}: ${fuse.moments.at(-1)}`,
    ended: phase(),
    observed: withoutUris(card.observed()),
    wanted: withoutUris(expectedObservation(plannedVolumeOf(current))),
    read: current.tombstone ? expected : card.card.guestReads(VOLUME_ID),
    written: expected,
    frozen,
    stillFrozen: writesOn(card, frozen.keys()),
  };
}

/** Where an export is reached is the data plane's to say. */
function withoutUris(observed: ObservedVolume) {
  return { ...observed, exports: observed.exports.map(({ protocol, functionId }) => ({ protocol, functionId })) };
}

type Ended = Awaited<ReturnType<typeof afterDeath>>;
const asItShould = ({ wanted, written, frozen }: Ended) => ({ observed: wanted, read: written, stillFrozen: frozen });

let cases = 0;

describe.each([...changes, ...withoutSteps])('$name, with the agent killed at each of its moments', (changed) => {
  const { before, change } = changed;
  const end = change.tombstone ? 'gone' : 'settled';

  it('is completed by the next life without a lost write', async () => {
    const { card } = await prepared(changed);
    const { moments } = await killedAt(card, change, Infinity);
    expect(moments.length).toBeGreaterThan(10);
    for (let moment = 1; moment <= moments.length; moment++) {
      cases++;
      const after = await afterDeath(changed, moment, false);
      expect(after).toEqual({ ...after, ended: end, ...asItShould(after) });
    }
  });

  // A new leg that a lost copy has written to is not formatted a second time: the change is taken back then.
  it('ends in the new state or the old, without a lost write, when the data plane dies with it', async () => {
    const { card } = await prepared(changed);
    const { moments } = await killedAt(card, change, Infinity);
    const ends = before.length > 0 && change.newStack ? [end, 'undone'] : [end];
    for (let moment = 1; moment <= moments.length; moment++) {
      cases++;
      const after = await afterDeath(changed, moment, true);
      expect(ends).toContain(after.ended);
      expect(after).toEqual({ ...after, ...asItShould(after) });
    }
  });
});

it('has not become smaller', () => {
  expect(cases).toBeGreaterThanOrEqual(keptCount('killsInMemory'));
});
