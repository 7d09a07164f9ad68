import { finalChangeStates, type VolumePatch } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failWith, legReport, serve, succeed } from '../testing/fake-agents.js';
import { aCard, aSpec, encrypted } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { expectNothingLeft } from '../testing/nothing-left.js';

const patches: VolumePatch[] = [
  { qos: { iopsTotal: 100 } },
  { qos: null },
  { placement: { poolIds: ['pool-1'] } },
  { placement: { poolIds: ['pool-2'] } },
  { stack: { layers: [...encrypted.layers] } },
  { stack: { layers: [] } },
  { stack: { layers: [{ kind: 'raid1', legCount: 2, safeRead: false }] } },
  { labels: { tier: 'gold' } },
];

/** Until a restart shows the fleet as it was. */
const anotherKey = `X${'D'.repeat(55)}`;

type Act =
  | { kind: 'change'; patch: VolumePatch }
  | { kind: 'round' | 'restart' | 'repeat' | 'delete' | 'create' | 'rekey' }
  | { kind: 'cards' | 'pools'; fail: boolean };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...patches).map((patch): Act => ({ kind: 'change', patch })) },
  { weight: 6, arbitrary: fc.constant<Act>({ kind: 'round' }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Act>(
      { kind: 'restart' },
      { kind: 'repeat' },
      { kind: 'delete' },
      { kind: 'create' },
      { kind: 'rekey' },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('cards' as const, 'pools' as const), fail: fc.boolean() }),
  },
);

function setFailing(cell: MemoryCell, { kind, fail }: Extract<Act, { fail: boolean }>): void {
  const problem = { code: 'step-failed' as const, detail: 'the disk said no' };
  if (kind === 'cards') for (const card of cell.cards) card.play = fail ? failWith(problem) : succeed;
  else
    for (const pool of cell.pools)
      pool.play = (item) =>
        fail && !item.tombstone && item.role === 'preparing'
          ? [{ ...legReport(item, 'failed'), problem }]
          : serve(item);
}

async function perform(cell: MemoryCell, one: Act): Promise<void> {
  switch (one.kind) {
    case 'create':
      // Refusals are part of the schedule: another volume of the name, a change under way.
      await refusalOf(cell.scheduler.volumes.create({ ...cell.asked(), spec: aSpec() }));
      return;
    case 'change':
      await refusalOf(cell.change(one.patch));
      return;
    case 'delete':
      await refusalOf(
        cell
          .volumeNow()
          .then(({ generation }) =>
            cell.scheduler.volumes.delete({ ...cell.asked(), volume: 'vol-a', basedOnGeneration: generation }),
          ),
      );
      return;
    case 'round':
      for (const agent of [...cell.cards, ...cell.pools]) await agent.catchUp();
      return;
    case 'rekey':
      for (const { id } of cell.cards) cell.scheduler.hearCardSnapshot(aCard(id, { sealingKey: anotherKey }));
      return;
    case 'restart':
      await cell.restart();
      return;
    case 'repeat':
      for (const agent of cell.cards) for (const report of agent.reports.slice(-3)) await agent.say(report);
      for (const agent of cell.pools) for (const report of agent.reports.slice(-3)) await agent.say(report);
      return;
    default:
      setFailing(cell, one);
  }
}

describe('a volume through any schedule of changes, failures, repeats and restarts', () => {
  it('comes to rest with its change over, nothing reserved in excess, and nothing left behind on pools', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (acts) => {
        const cell = await MemoryCell.start();
        await perform(cell, { kind: 'create' });
        for (const one of acts) {
          await perform(cell, one);
          expect(await cell.scheduler.checkReservations()).toEqual([]);
        }
        setFailing(cell, { kind: 'cards', fail: false });
        setFailing(cell, { kind: 'pools', fail: false });
        await cell.settle();
        const changes = await cell.store.read((reader) =>
          reader.changes({ tenantId: null, volumeId: null }, null, 200),
        );
        expect(changes.every(({ state }) => finalChangeStates.includes(state))).toBe(true);
        await expectNothingLeft(cell);
      }),
      { numRuns: 60 },
    );
  });
});
