import { type DesiredLeg, poolStepSchema } from '@flexbso/contracts';
import type { PoolDiscovery } from '@flexbso/dataplane-port';
import { eventually } from '@flexbso/testkit';
import { describe, expect, it } from 'vitest';
import { keptCount } from '../testing/kept-counts.js';
import { NamedFuse } from '../testing/named-fuse.js';
import { type LegChanged, legChanges } from '../testing/pool-changes.js';
import { QsdPool } from '../testing/qsd-pool.js';

const STRUCK_MS = 30_000;
const discoveries = new Map<PoolDiscovery['reach'], PoolDiscovery>();

/** A pool with the leg before the change, of which no agent runs. */
async function prepared({ before, kinds }: LegChanged): Promise<QsdPool> {
  // A daemon that serves a leg does not see that its file has grown.
  const reach = kinds.includes('grow-leg') ? 'host' : 'network';
  const pool = await QsdPool.make(reach, discoveries.get(reach) ?? null);
  discoveries.set(reach, pool.discovery);
  if (before.length > 0) await pool.start();
  for (const wish of before) await pool.untilEnded(await pool.want(wish));
  if (before.length > 0) await pool.stop();
  return pool;
}

function wantedOf({ sizeBytes, epoch, holder: { cardId }, tombstone }: DesiredLeg) {
  return tombstone ? null : { sizeBytes, epoch, serving: { epoch, holderCardId: cardId } };
}

/** How the change ends when its agent dies at that moment and another comes. */
async function afterDeath(changed: LegChanged, at: string) {
  const pool = await prepared(changed);
  try {
    const fuse = new NamedFuse(at);
    fuse.isArmed = true;
    await pool.start(fuse);
    const desired = await pool.want(changed.change);
    await eventually('the agent is dead', () => fuse.isStruck, STRUCK_MS);
    await pool.stop();
    await pool.start();
    const phase = await pool.untilEnded(desired);
    return { at, phase, leg: await pool.observe(), wanted: wantedOf(desired) };
  } finally {
    await pool.dispose();
  }
}

const cases = legChanges.flatMap((changed) =>
  changed.kinds.flatMap((kind) => [
    { changed, name: changed.name, at: `${kind}: before` },
    { changed, name: changed.name, at: `${kind}: after` },
  ]),
);

describe('on a real pool', () => {
  it.each(cases)('to $name a leg is completed when its agent dies at $at', async ({ changed, at }) => {
    const after = await afterDeath(changed, at);
    expect(after).toEqual({ ...after, phase: changed.change.tombstone ? 'deleted' : 'ready', leg: after.wanted });
  });
});

it('meets every kind of step that a pool has', () => {
  const kinds = poolStepSchema.options.map((option) => option.shape.kind.value);
  expect(legChanges.flatMap((changed) => changed.kinds).toSorted()).toEqual(kinds.toSorted());
});

it('has not become smaller', () => {
  expect(cases.length).toBeGreaterThanOrEqual(keptCount('poolKillsOnQsd'));
});
