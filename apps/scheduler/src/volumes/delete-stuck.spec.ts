import type { DesiredVolume } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, type FakeCard, succeed } from '../testing/fake-agents.js';
import { encrypted } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

const seen = { code: 'needs-operator' as const, detail: 'the copy is gone' };
const stuck = (item: DesiredVolume) => [{ ...cardReport(item, 'needs-operator'), problem: seen }];

let cell: MemoryCell;
let card: FakeCard;
let changeId: string;
beforeEach(async () => {
  cell = await MemoryCell.start();
  const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
  card = cell.cardOf(volume);
  card.play = stuck;
  ({ changeId } = (
    await cell.change({ placement: { poolIds: ['pool-2'] }, stack: { layers: [...encrypted.layers] } })
  ).change);
  await cell.settle();
});

async function askToDelete() {
  const { generation } = await cell.volumeNow();
  return (await cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation }))
    .change;
}

describe('a volume whose change needs an operator', () => {
  it('can be deleted, with all legs, and its change says what took its place', async () => {
    expect((await cell.changeNow(changeId)).state).toBe('needs-operator');
    const legIds = (await cell.volumeNow()).legs.map(({ legId }) => legId);
    const change = await askToDelete();
    expect(await cell.changeNow(changeId)).toMatchObject({
      state: 'undone',
      problem: { code: 'superseded', facts: { changeId: change.changeId } },
    });
    card.play = (item) => {
      // The card is not asked for the plan that was shown: what runs is not what is recorded.
      expect(item).toMatchObject({ tombstone: true, origin: 'healing' });
      expect(item.plan.destroys).toEqual(expect.arrayContaining(legIds.map((legId) => `leg ${legId}`)));
      return succeed(item);
    };
    await cell.settle();
    expect((await cell.changeNow(change.changeId)).state).toBe('settled');
    expect(await refusalOf(cell.volumeNow())).toBe('not-found');
    await expectNothingLeft(cell);
  });

  it('is never taken back to a stack of which nobody knows whether it is current', async () => {
    await cell.pause(null);
    const held = await askToDelete();
    expect(held.state).toBe('preparing');
    expect(await refusalOf(cell.cancel(held.changeId))).toBe('cut-over-passed');
    card.play = (item) => [{ ...cardReport(item, 'undone'), problem: { code: 'step-failed', detail: 'it is held' } }];
    await cell.resume(null);
    await cell.settle();
    expect(await cell.changeNow(held.changeId)).toMatchObject({
      state: 'needs-operator',
      problem: { code: 'step-failed' },
    });
    expect((await cell.volumeNow()).legs.map(({ state }) => state)).not.toContain('deleting');
    card.play = succeed;
    const again = await askToDelete();
    await cell.settle();
    expect((await cell.changeNow(again.changeId)).state).toBe('settled');
    await expectNothingLeft(cell);
  });

  it('is changed by nothing else meanwhile', async () => {
    expect(await refusalOf(cell.change({ labels: { tier: 'gold' } }))).toBe('change-in-flight');
    expect(await refusalOf(cell.detach())).toBe('change-in-flight');
    expect(await refusalOf(cell.cancel(changeId))).toBe('needs-operator');
  });
});
