import { beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../testing/fixtures.js';
import { cardReport } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });
const overdueEvents = () => cell.store.takeEvents().filter(({ what }) => what === 'overdue');
const later = async (ms: number) => {
  cell.nowMs += ms;
  await cell.scheduler.waits.look();
};

describe('a step that outlives its limit', () => {
  it('is flagged and told of once, by the limit of its kind, and no longer when it is done', async () => {
    await cell.create(toPool('pool-1'));
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await cell.change(toPool('pool-2'));
    const sinceMs = cell.nowMs + 10_000;
    await later(9_999);
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
    expect(cell.scheduler.waits.overdue).toBe(0);
    await later(1);
    await later(5_000);
    expect((await cell.changeNow(change.changeId)).overdue).toEqual({ step: 'create-leg', limitMs: 10_000, sinceMs });
    expect(overdueEvents().map(({ data }) => data)).toMatchObject([{ step: 'create-leg', limitMs: 10_000 }]);
    expect(cell.scheduler.waits.overdue).toBe(1);
    await cell.restart();
    await later(0);
    expect(cell.scheduler.waits.overdue).toBe(1);
    for (const pool of cell.pools) pool.isAway = false;
    await cell.settle();
    expect(await cell.changeNow(change.changeId)).toMatchObject({ state: 'settled', overdue: null });
    await later(0);
    expect(cell.scheduler.waits.overdue).toBe(0);
    expect(overdueEvents()).toEqual([]);
  });

  it('of a copy follows from its bytes and its rate, and is not later for each new attempt', async () => {
    const volume = await cell.create(toPool('pool-1'));
    const card = cell.cardOf(volume);
    let startedAtMs = 0;
    card.play = (item) => [
      {
        ...cardReport(item, 'working'),
        steps: [
          { index: 0, kind: 'open-leg', outcome: 'done', startedAtMs: 1, endedAtMs: 2 },
          { index: 1, kind: 'copy', outcome: 'running', startedAtMs, endedAtMs: null },
        ],
      },
    ];
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    // The cell copies 1 MiB a second: eight times 256 s, and a minute.
    const limitMs = 60_000 + 8 * 1000 * (volume.sizeBytes / MIB);
    for (let attempt = 0; attempt < 4; attempt += 1) {
      startedAtMs += 1_000;
      await later(limitMs / 4 - 1);
      await card.goOn();
    }
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
    await later(4);
    expect((await cell.changeNow(change.changeId)).overdue).toMatchObject({ step: 'copy', limitMs });
  });

  it('is not one that was passed over, as where limits were lifted before they were widened', async () => {
    const volume = await cell.create({ ...toPool('pool-1'), qos: { iopsTotal: 500 } });
    const card = cell.cardOf(volume);
    card.play = (item) => [
      {
        ...cardReport(item, 'working'),
        steps: [
          { index: 0, kind: 'open-leg', outcome: 'done', startedAtMs: 1, endedAtMs: 2 },
          { index: 2, kind: 'copy', outcome: 'running', startedAtMs: 3, endedAtMs: null },
        ],
      },
    ];
    const { change } = await cell.change(toPool('pool-2'));
    await cell.settle();
    const kinds = change.plan.steps.filter(({ actor }) => actor.role === 'card').map(({ step }) => step.kind);
    expect(kinds.slice(0, 3)).toEqual(['open-leg', 'widen-limits', 'copy']);
    await later(45_000);
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
  });

  it('is nobody’s fault while it is paused, and begins to be due when it is resumed', async () => {
    await cell.create(toPool('pool-1'));
    await cell.pause(null);
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await cell.change(toPool('pool-2'));
    await later(3_600_000);
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
    await cell.resume(null);
    await later(9_999);
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
    await later(1);
    expect((await cell.changeNow(change.changeId)).overdue).toMatchObject({ step: 'create-leg' });
  });

  it('is also the way back, and a leg that its pool does not delete', async () => {
    const volume = await cell.create(toPool('pool-1'));
    for (const pool of cell.pools) pool.isAway = true;
    const { change } = await cell.change(toPool('pool-2'));
    await cell.cancel(change.changeId);
    await later(10_000);
    expect((await cell.changeNow(change.changeId)).overdue).toMatchObject({ step: 'delete-leg', limitMs: 10_000 });
    cell.cardOf(volume).isAway = true;
    for (const pool of cell.pools) pool.isAway = false;
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).overdue).toBeNull();
    await later(45_000);
    expect((await cell.changeNow(change.changeId)).overdue).toMatchObject({ step: 'undo', limitMs: 45_000 });
  });
});
