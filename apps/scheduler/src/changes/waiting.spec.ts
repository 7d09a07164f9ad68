import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, type FakeCard } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';

const toPool = (poolId: string) => ({ placement: { poolIds: [poolId] } });
const copying = 'the copy: 5 of 10 bytes';

let cell: MemoryCell;
let card: FakeCard;
let changeId: string;
let sinceMs: number;
beforeEach(async () => {
  cell = await MemoryCell.start();
  const volume = await cell.create(toPool('pool-1'));
  card = cell.cardOf(volume);
  sinceMs = cell.nowMs - 1_000;
  card.play = (item) => [{ ...cardReport(item, 'working'), waitingFor: copying, waitingSinceMs: sinceMs }];
  ({ changeId } = (await cell.change(toPool('pool-2'))).change);
  await cell.settle();
  // From here on nobody hears of it.
  card.isAway = true;
  cell.nowMs += 500_000;
});

const now = async () => {
  const { waitingFor, waitingSinceMs } = await cell.changeNow(changeId);
  return { waitingFor: waitingFor?.split('; ')[0], waitingSinceMs };
};
const asSaid = () => ({ waitingFor: `card ${card.id}: ${copying}`, waitingSinceMs: sinceMs });

describe('what a change waits for, as its card said it', () => {
  it('stays when the scheduler starts again, when it becomes overdue, and under a pause', async () => {
    expect(await now()).toEqual(asSaid());
    await cell.restart();
    expect(await now()).toEqual(asSaid());
    cell.nowMs += 10_000_000;
    await cell.scheduler.waits.look();
    expect((await cell.changeNow(changeId)).overdue).not.toBeNull();
    expect(await now()).toEqual(asSaid());
    await cell.pause(null);
    expect(await now()).toEqual(asSaid());
    await cell.resume(null);
    expect(await now()).toEqual(asSaid());
  });

  it('is another wait once it is cancelled, and stays that', async () => {
    await cell.cancel(changeId);
    const waiting = { waitingFor: `card ${card.id} to take it back`, waitingSinceMs: cell.nowMs };
    expect(await now()).toEqual(waiting);
    cell.nowMs += 10_000;
    await cell.restart();
    expect(await now()).toEqual(waiting);
  });

  it('is over with the pause where it was to be resumed', async () => {
    card.isAway = false;
    await cell.pause(null);
    card.play = (item) => [{ ...cardReport(item, 'working'), waitingFor: 'to be resumed', waitingSinceMs: cell.nowMs }];
    await cell.settle();
    expect((await now()).waitingFor).toBe(`card ${card.id}: to be resumed`);
    card.isAway = true;
    cell.nowMs += 10_000;
    await cell.resume(null);
    expect(await now()).toEqual({ waitingFor: `card ${card.id} to begin`, waitingSinceMs: cell.nowMs });
  });

  it('is waited for since it was first said, where the card does not say since when', async () => {
    card.isAway = false;
    card.play = (item) => [{ ...cardReport(item, 'working'), waitingFor: 'the data plane to come to rest' }];
    await card.goOn();
    const first = await now();
    expect(first.waitingSinceMs).toBe(cell.nowMs);
    cell.nowMs += 10_000;
    await card.goOn();
    expect(await now()).toEqual(first);
  });
});
