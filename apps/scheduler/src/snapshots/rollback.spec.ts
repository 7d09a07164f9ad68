import type { Change } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { legReport, serve } from '../testing/fake-agents.js';
import { fleetOperator } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

const encrypted = { layers: [{ kind: 'encryption' as const, cipher: 'aes-xts-256' as const }] };
let cell: MemoryCell;

beforeEach(async () => {
  cell = await MemoryCell.start();
  await cell.create({ stack: encrypted, placement: { cardId: 'card-1' } });
  await take('monday');
});

async function asked() {
  const { generation } = await cell.volumeNow();
  return { ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation };
}
async function take(name: string): Promise<void> {
  await cell.scheduler.volumes.createSnapshot({ ...(await asked()), spec: { name } });
  await cell.settle();
}
async function detached(): Promise<void> {
  await cell.detach();
  await cell.settle();
}
async function attached(cardId = 'card-1'): Promise<void> {
  await cell.attach({ cardId });
  await cell.settle();
}
const rollback = async (snapshot = 'monday', more: { planDigest?: string } = {}) =>
  cell.scheduler.volumes.rollback({ ...(await asked()), snapshot, ...more });
async function rolledBack(snapshot = 'monday'): Promise<Change> {
  const { change } = await rollback(snapshot);
  await cell.settle();
  return cell.changeNow(change.changeId);
}
const planned = async (snapshot = 'monday') => {
  const { idempotencyKey: _, ...request } = await asked();
  return cell.scheduler.volumes.planRollback({ ...request, snapshot });
};
const livingLegs = () =>
  cell.pools
    .flatMap(({ items }) => [...items.values()].filter(({ tombstone }) => !tombstone))
    .map(({ legId }) => legId);
const rolesOnPools = () =>
  cell.pools
    .flatMap(({ items }) => [...items.values()])
    .filter(({ tombstone }) => !tombstone)
    .map(({ role }) => role)
    .toSorted();
const legsOf = async (generation: number) =>
  (await cell.volumeNow()).legs.filter(({ stackGeneration }) => stackGeneration === generation);
const keys = async () => {
  const { volumeId } = await cell.volumeNow();
  return cell.store.read((store) => store.keysOf(volumeId));
};
async function nothingDiffers(): Promise<void> {
  expect(await cell.scheduler.checkReservations()).toEqual([]);
  expect((await cell.scheduler.checks.run({ caller: fleetOperator })).differences).toEqual([]);
}

describe('a volume that is rolled back', () => {
  it('is an overlay of its own on the snapshot, and what it held is gone with its key', async () => {
    await detached();
    const [current] = await legsOf(2);
    const change = await rolledBack();
    expect(change).toMatchObject({ kind: 'rollback', state: 'settled', differences: ['content'] });
    expect(livingLegs()).not.toContain(current?.legId);
    expect(rolesOnPools()).toEqual(['current', 'frozen']);
    expect(await keys()).toHaveLength(2);
    expect(await cell.volumeNow()).toMatchObject({
      state: 'detached',
      attached: false,
      snapshots: [{ state: 'ready' }],
    });
    await nothingDiffers();
  });

  it('shows beforehand what is destroyed, does nothing of it for a dry run, and is bound to what was shown', async () => {
    await detached();
    const [current] = await legsOf(2);
    const { keyRef } = await cell.volumeNow();
    const before = livingLegs();
    const plan = await planned();
    expect(plan.destroys).toEqual([`key ${keyRef}`, `leg ${current?.legId}`]);
    expect(plan.steps.map(({ step }) => step.kind)).toEqual([
      'create-leg',
      'serve-leg',
      'stop-serving-leg',
      'delete-leg',
    ]);
    expect(plan).toMatchObject({ bytesToCopy: 0, guestFeels: null, cutOverIndex: null });
    expect(livingLegs()).toEqual(before);
    expect(await refusalOf(rollback('monday', { planDigest: '0'.repeat(64) }))).toBe('plan-changed');
    expect((await rollback('monday', { planDigest: plan.digest })).change.plan.digest).toBe(plan.digest);
  });

  it('is built on the snapshot, and formatted, by the first card that it is attached to, and never again', async () => {
    await detached();
    await rolledBack();
    const { change } = await cell.attach({ cardId: 'card-1' });
    expect(change.plan.steps.map(({ step }) => step.kind)).toEqual(
      expect.arrayContaining(['format-encryption', 'format-overlay', 'build-overlay', 'build-head']),
    );
    await cell.settle();
    const { volumeId, generation } = await cell.volumeNow();
    const given = cell.cardOf({ cardId: 'card-1' }).items.get(volumeId);
    expect(given).toMatchObject({ generation, bases: [{ stackGeneration: 1 }] });
    expect(given?.carriedStackGeneration).toBeUndefined();
    await nothingDiffers();
    await detached();
    const again = await cell.attach({ cardId: 'card-1' });
    const kinds = again.change.plan.steps.map(({ step }) => step.kind);
    expect(kinds).toContain('build-overlay');
    expect(kinds).not.toContain('format-overlay');
    await cell.settle();
    await nothingDiffers();
  });

  it('goes on as any other: on another card, with further snapshots, and whole again', async () => {
    await detached();
    await rolledBack();
    await attached('card-2');
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready', cardId: 'card-2' });
    await take('tuesday');
    await cell.scheduler.volumes.deleteSnapshot({ ...(await asked()), snapshot: 'monday' });
    await cell.settle();
    await cell.scheduler.volumes.deleteSnapshot({ ...(await asked()), snapshot: 'tuesday' });
    await cell.settle();
    expect((await cell.volumeNow()).snapshots).toEqual([]);
    await nothingDiffers();
  });

  it('leaves every other snapshot as it is', async () => {
    await take('tuesday');
    await detached();
    const tuesday = await legsOf(2);
    const plan = await planned('monday');
    expect(plan.destroys).toHaveLength(2);
    await rolledBack('monday');
    expect(livingLegs()).toEqual(expect.arrayContaining(tuesday.map(({ legId }) => legId)));
    await attached();
    await detached();
    await rolledBack('tuesday');
    await attached();
    expect((await cell.volumeNow()).snapshots).toMatchObject([{ name: 'monday' }, { name: 'tuesday' }]);
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready' });
    await nothingDiffers();
  });

  it('has the size and the layers of the snapshot again', async () => {
    const { sizeBytes } = await cell.volumeNow();
    await cell.change({ sizeBytes: 2 * sizeBytes, stack: { layers: [] } });
    await cell.settle();
    await detached();
    expect(await planned()).toMatchObject({ lacks: ['crash-safety'] });
    expect(await rolledBack()).toMatchObject({ differences: ['content', 'size', 'stack'] });
    expect(await cell.volumeNow()).toMatchObject({ sizeBytes, stack: encrypted });
    await attached();
    await nothingDiffers();
  });

  it('is done once for one key', async () => {
    await detached();
    const request = { ...(await asked()), snapshot: 'monday' };
    const first = await cell.scheduler.volumes.rollback(request);
    expect((await cell.scheduler.volumes.rollback(request)).change.changeId).toBe(first.change.changeId);
    await cell.settle();
    expect(await refusalOf(cell.scheduler.volumes.rollback({ ...request, ...cell.asked() }))).toBe('stale-generation');
  });

  it('is refused while the volume is attached, for a snapshot that is not there, and against a demand for redundancy', async () => {
    expect(await refusalOf(rollback())).toBe('change-refused');
    const mirror = { layers: [{ kind: 'raid1' as const, legCount: 2, safeRead: false }] };
    await cell.change({ stack: mirror, alwaysRedundant: true });
    await cell.settle();
    await detached();
    expect(await refusalOf(rollback('sunday'))).toBe('not-found');
    expect(await refusalOf(rollback())).toBe('change-refused');
    await cell.change({ alwaysRedundant: false });
    expect(await planned()).toMatchObject({ lacks: ['redundancy', 'crash-safety'] });
  });

  it('that cannot be made is as it was before, and so is one that is cancelled', async () => {
    await detached();
    const before = { legs: livingLegs(), keys: await keys() };
    const problem = { code: 'step-failed' as const, detail: 'no room on the disk' };
    for (const pool of cell.pools)
      pool.play = (item) => (item.tombstone ? serve(item) : [{ ...legReport(item, 'failed'), problem }]);
    const { change } = await rollback();
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'undone' });
    for (const pool of cell.pools) pool.play = serve;
    const second = await rollback();
    await cell.cancel(second.change.changeId);
    await cell.settle();
    expect(await cell.changeNow(second.change.changeId)).toMatchObject({
      state: 'undone',
      cancel: { outcome: 'undone' },
    });
    expect(livingLegs()).toEqual(before.legs);
    expect((await keys()).map(({ keyRef }) => keyRef)).toEqual(before.keys.map(({ keyRef }) => keyRef));
    await attached();
    expect(await cell.volumeNow()).toMatchObject({ state: 'ready' });
    await nothingDiffers();
  });

  it.each(['done', 'never heard of'])(
    'is kept as its pools have it by a database that is restored to its middle: %s',
    async (end) => {
      await detached();
      const { change } = await rollback();
      const admin = { name: 'root', role: 'admin' as const, tenantId: null };
      await cell.scheduler.backups.create({ v: 1, caller: admin, idempotencyKey: 'b', name: 'before' });
      if (end === 'done') await cell.settle();
      const before = livingLegs();
      await cell.scheduler.backups.restore({ v: 1, caller: admin, idempotencyKey: 'r', name: 'before' });
      await cell.settle();
      await cell.scheduler.settlements.adopt({ v: 1, caller: admin, idempotencyKey: 'a', id: 'vol-a' });
      await cell.settle();
      expect(livingLegs()).toEqual(before);
      expect(await cell.changeNow(change.changeId)).toMatchObject({ state: end === 'done' ? 'settled' : 'undone' });
      expect(await cell.volumeNow()).toMatchObject({ state: 'detached', snapshots: [{ state: 'ready' }] });
      await nothingDiffers();
      await attached();
      expect(await cell.volumeNow()).toMatchObject({ state: 'ready' });
      await nothingDiffers();
    },
  );
});
