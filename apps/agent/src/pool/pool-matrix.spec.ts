import { type DesiredLeg, type LegReport, poolStepSchema } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { Fuse } from '../testing/fuse.js';
import { keptCount } from '../testing/kept-counts.js';
import { type LegChanged, legChanges } from '../testing/pool-changes.js';
import { LEG_ID, PoolFixture } from '../testing/pool-fixture.js';
import { FaultyPlane, FullDisk, stepFaults } from '../testing/step-faults.js';

const ends: readonly (LegReport['phase'] | undefined)[] = ['ready', 'deleted', 'failed'];
/** For what is tried again and again until somebody mends it. */
const MENDED_MS = 600_000;

/** A pool with the leg before the change, of which no agent runs. */
async function prepared({ before }: LegChanged): Promise<PoolFixture> {
  const pool = new PoolFixture();
  const agent = await pool.start();
  for (const wish of before) await pool.untilSaid(await pool.want(wish), 'ready');
  await agent.stop();
  return pool;
}

/** How it ended, and what there is of the leg beside what should be. */
async function endOf(pool: PoolFixture, desired: DesiredLeg) {
  const phase = () => pool.scheduler.saidOfLeg(desired.operationId)?.phase;
  await pool.clock.runUntil(`it ended; last said: ${phase()}`, () => ends.includes(phase()), MENDED_MS);
  return { phase: phase(), leg: seen(pool), wanted: wantedOf(desired) };
}

function seen(pool: PoolFixture) {
  const leg = pool.world.legs.get(LEG_ID);
  return leg ? { sizeBytes: leg.sizeBytes, epoch: leg.epoch, serving: leg.serving, role: leg.role } : null;
}

function wantedOf({ sizeBytes, epoch, holder: { cardId }, role, tombstone }: DesiredLeg) {
  return tombstone ? null : { sizeBytes, epoch, serving: { epoch, holderCardId: cardId }, role };
}

/** Makes the change with an agent that dies at its n-th moment. */
async function killedAt(pool: PoolFixture, { change }: LegChanged, moment: number) {
  const fuse = new Fuse(moment);
  let isStarted = false;
  void (async () => {
    await pool.start(fuse);
    isStarted = true;
  })();
  await pool.clock.runUntil('the agent is dead or has started', () => fuse.blown || isStarted);
  const desired = await pool.want(change);
  const phase = () => pool.scheduler.saidOfLeg(desired.operationId)?.phase;
  await pool.clock.runUntil('the agent is dead or done', () => fuse.blown || ends.includes(phase()));
  return { fuse, desired };
}

async function withFault(changed: LegChanged, at: number, fault: (typeof stepFaults)[number]) {
  const pool = await prepared(changed);
  const plane = new FaultyPlane(at, fault, pool.clock);
  await pool.start(new Fuse(), { before: (call) => plane.before(call), after: (call) => plane.after(call) });
  plane.isArmed = true;
  const end = await endOf(pool, await pool.want(changed.change));
  return { at: `${at}: ${plane.hit}`, isHit: plane.hit !== null, acts: plane.acts, ...end };
}

async function onFullDisk(changed: LegChanged, at: number) {
  const pool = await prepared(changed);
  const disk = new FullDisk(at, pool.clock);
  await pool.start(disk);
  disk.isArmed = true;
  const end = await endOf(pool, await pool.want(changed.change));
  return { at, isHit: disk.wasFull, appends: disk.appends, ...end };
}

const met = new Set<string>();
let kills = 0;
let faults = 0;

describe.each(legChanges)('$name a leg', (changed) => {
  const phase = changed.change.tombstone ? 'deleted' : 'ready';

  it('is completed by the next life wherever its agent is killed', async () => {
    const { fuse } = await killedAt(await prepared(changed), changed, Infinity);
    expect(fuse.moments.length).toBeGreaterThan(10);
    for (let moment = 1; moment <= fuse.moments.length; moment++) {
      const pool = await prepared(changed);
      const { fuse: blown, desired } = await killedAt(pool, changed, moment);
      await pool.start();
      const end = { at: `${moment}: ${blown.moments.at(-1)}`, ...(await endOf(pool, desired)) };
      expect(end).toEqual({ ...end, phase, leg: end.wanted });
      kills++;
    }
  });

  it.each(stepFaults)('is as it is wanted, or as it was, at each of its steps: %s', async (fault) => {
    const calm = await withFault(changed, 0, fault);
    expect(calm.acts).toEqual(expect.arrayContaining(changed.kinds.map((kind) => `perform ${kind}`)));
    for (const act of calm.acts) met.add(act);
    // What fails for good is a reason to take a leg back that was never ready, and no other.
    const isTakenBack = fault === 'fails-for-good' && changed.before.length === 0;
    for (let at = 1; at <= calm.acts.length; at++) {
      const end = await withFault(changed, at, fault);
      const wanted = isTakenBack ? { phase: 'failed', leg: null } : { phase, leg: end.wanted };
      expect(end).toEqual({ ...end, ...wanted, isHit: true });
      faults++;
    }
  });

  it('waits, and loses nothing, while the disk of its journal is full', async () => {
    const calm = await onFullDisk(changed, 0);
    for (let at = 1; at <= calm.appends; at++) {
      const end = await onFullDisk(changed, at);
      expect(end).toEqual({ ...end, phase, leg: end.wanted, isHit: true });
      faults++;
    }
  });
});

it('meets every kind of step that a pool has', () => {
  const kinds = poolStepSchema.options.map((option) => `perform ${option.shape.kind.value}`);
  expect([...met].toSorted()).toEqual(kinds.toSorted());
});

it('has not become smaller', () => {
  expect(kills).toBeGreaterThanOrEqual(keptCount('poolKillsInMemory'));
  expect(faults).toBeGreaterThanOrEqual(keptCount('poolFaultsInMemory'));
});
