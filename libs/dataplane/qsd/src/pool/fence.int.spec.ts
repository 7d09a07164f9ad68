import type { DesiredLeg, PoolStep } from '@flexbso/contracts';
import { planPoolLeg } from '@flexbso/stack';
import { expect, test } from 'vitest';
import { desiredLeg, type QsdSite, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';
import { readRecord, writeRecord } from './leg-record.js';
import { QsdPoolDataPlane } from './qsd-pool-data-plane.js';

const makeSite = sitesOfTests();
const legId = 'leg-000000000a';
const sizeBytes = 16 * MIB;
const toOther: DesiredLeg = {
  ...desiredLeg(legId, sizeBytes),
  epoch: 2,
  holder: { cardId: 'card-2', sealingKey: `X${'A'.repeat(55)}` },
};

/** A volume on a remote leg, carried by card-1 of the site, with the key of epoch 1 kept as a thief would. */
async function held() {
  const site = await makeSite(setupQemu(), { card: { reconnectDelaySeconds: 1, openTimeoutSeconds: 1 } });
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg('network', legId);
  await volume.perform(...volume.create(leg));
  await site.guest.write(volume.volumeId, 0, Buffer.alloc(MIB, 'before '));
  return { site, volume, oldKey: await site.secrets.legKey(legId) };
}

async function perform(pool: QsdPoolDataPlane, steps: readonly PoolStep[]): Promise<void> {
  for (const step of steps) await pool.perform(step, { desired: toOther, signal: new AbortController().signal });
}

/** What the pool's agent does at its next start: it looks, plans, and acts. */
async function nextLife(site: QsdSite): Promise<string[]> {
  const pool = new QsdPoolDataPlane(site.networkPoolOptions);
  const plan = planPoolLeg({ poolId: 'pool-net', observed: await pool.observe(legId), desired: toOther });
  if (!plan.ok) throw new Error(plan.problem.detail);
  await perform(
    pool,
    plan.steps.map(({ step }) => step),
  );
  return plan.steps.map(({ step }) => step.kind);
}

/** Neither the connection of before nor the key of before opens the leg, not even under its new name; the new key does. */
async function onlyTheNewHolderGetsIn({ site, volume, oldKey }: Awaited<ReturnType<typeof held>>): Promise<void> {
  const { volumeId } = volume;
  await expect(site.guest.write(volumeId, 0, Buffer.alloc(MIB, 'after '))).rejects.toThrow('error 5');
  const served = await site.networkPool.served(legId);
  if (!served?.access) throw new Error('the leg is not served');
  const open = { kind: 'open-leg', stackGeneration: 2, legId, epoch: 2, sizeBytes } as const;
  volume.legs.splice(0, 1, { legId, poolId: 'pool-net', epoch: 2, sizeBytes, address: served.address, access: null });
  const secretsWith = (key: typeof oldKey) => ({ ...site.secrets, legKey: () => Promise.resolve(key) });
  const asBefore = site.card.perform(volumeId, open, volume.context({ secrets: secretsWith(oldKey) }));
  await expect(asBefore).rejects.toMatchObject({ problem: { code: 'step-failed' } });
  await site.card.perform(volumeId, open, volume.context({ secrets: secretsWith(served.access) }));
}

test('a fence that died with the epoch on disk and the old holder still connected is carried on', async () => {
  const scene = await held();
  const { site } = scene;
  const record = await readRecord(site.networkPoolOptions.directory, legId);
  if (record === null) throw new Error('the leg has no record');
  await writeRecord(site.networkPoolOptions.directory, { ...record, epoch: 2, holderCardId: null });
  expect(await site.networkPool.observe(legId)).toMatchObject({ epoch: 2, serving: { epoch: 1 } });
  expect(await nextLife(site)).toEqual(['fence-leg', 'serve-leg']);
  await onlyTheNewHolderGetsIn(scene);
});

test('a fence that died with the old holder cut off is carried on', async () => {
  const scene = await held();
  const { site } = scene;
  const record = await readRecord(site.networkPoolOptions.directory, legId);
  if (record === null) throw new Error('the leg has no record');
  await writeRecord(site.networkPoolOptions.directory, { ...record, epoch: 2, holderCardId: null });
  await site.killLegServer(legId);
  expect(await nextLife(site)).toEqual(['serve-leg']);
  await onlyTheNewHolderGetsIn(scene);
});

test('a daemon that is started again at the new epoch does not let the old holder in', async () => {
  const scene = await held();
  const { site } = scene;
  expect(await nextLife(site)).toEqual(['fence-leg', 'serve-leg']);
  await site.killLegServer(legId);
  expect(await nextLife(site)).toEqual(['serve-leg']);
  await onlyTheNewHolderGetsIn(scene);
});
