import type { StepOutcome, VolumeReport } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { cardReport, type FakeCard } from '../testing/fake-agents.js';
import { MemoryCell } from '../testing/memory-cell.js';

const startedAtMs = 1_700_000_000_000;
const running: StepOutcome = { index: 0, kind: 'open-leg', outcome: 'running', startedAtMs, endedAtMs: null };
const done: StepOutcome = { ...running, outcome: 'done', endedAtMs: startedAtMs + 5 };
const busy = { code: 'data-plane-failed' as const, detail: 'disk busy' };

let cell: MemoryCell;
let card: FakeCard;
let changeId: string;
let working: VolumeReport;
beforeEach(async () => {
  cell = await MemoryCell.start();
  const volume = await cell.create({ placement: { poolIds: ['pool-1'] } });
  card = cell.cardOf(volume);
  card.play = (item) => [{ ...cardReport(item, 'working'), steps: [running] }];
  ({ changeId } = (await cell.change({ placement: { poolIds: ['pool-2'] } })).change);
  await cell.settle();
  const item = card.items.get(volume.volumeId);
  if (!item) throw new Error('the card has its volume');
  working = { ...cardReport(item, 'working'), steps: [running] };
});

describe('a report that comes after a later one', () => {
  it('takes no change up again that has stopped since, until its card does', async () => {
    await card.say({ ...working, phase: 'needs-operator', steps: [done], problem: busy });
    await card.say(working);
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'needs-operator', problem: busy });
    expect((await cell.changeNow(changeId)).steps).toContainEqual(
      expect.objectContaining({ kind: 'open-leg', outcome: 'done' }),
    );
    await card.say({ ...working, steps: [{ ...running, startedAtMs: startedAtMs + 10 }] });
    expect(await cell.changeNow(changeId)).toMatchObject({ state: 'applying', problem: null });
  });

  it('says nothing of a volume whose change has settled since', async () => {
    await card.say({ ...working, phase: 'settled', steps: [done] });
    await cell.settle();
    expect((await cell.changeNow(changeId)).state).toBe('settled');
    await card.say({ ...working, problem: busy });
    expect((await cell.changeNow(changeId)).problem).toBeNull();
    await card.say({ ...working, steps: [done], problem: busy });
    expect((await cell.changeNow(changeId)).problem).toEqual(busy);
  });
});
