import type { AgentRole, CheckDifference, InspectAnswer } from '@flexbso/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { operator } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
  await cell.create();
  await cell.settle();
});

const check = () => cell.scheduler.checks.run({ caller: { ...operator, tenantId: null } });
const differences = async (): Promise<CheckDifference[]> => (await check()).differences;

/** Lets one agent observe something else than it does. */
function sees(role: AgentRole, change: (answer: InspectAnswer) => InspectAnswer): void {
  const honest = cell.inspect;
  cell.inspect = (asked, id) => (asked === role ? change(honest(asked, id)) : honest(asked, id));
}

describe('a check', () => {
  it('finds nothing where everything is as it is recorded, and says how much it looked at', async () => {
    expect(await check()).toMatchObject({ volumes: 1, legs: 1, agents: 5, underWay: 0, differences: [] });
  });

  it('counts a volume with a change under way and does not judge it', async () => {
    await cell.change({ qos: { iopsTotal: 500 } });
    expect(await check()).toMatchObject({ underWay: 1, differences: [] });
  });

  it('names a volume that does not run, and a leg that is not there', async () => {
    cell.inspect = () => ({
      v: 1,
      total: 0,
      volumes: [],
      legs: [],
      incarnation: null,
      revision: 0,
      given: { volumes: [], legs: [] },
      next: null,
    });
    const { volumeId, legs, cardId } = await cell.volumeNow();
    expect(await differences()).toEqual([
      { where: `card ${cardId}`, id: volumeId, what: 'it does not run' },
      { where: `pool ${legs[0]?.poolId}`, id: legs[0]?.legId, what: 'it is not there' },
    ]);
  });

  it('names what runs or lies somewhere and is not recorded, once for each place', async () => {
    const { volumeId } = await cell.volumeNow();
    sees('card', (answer) => ({
      ...answer,
      total: answer.total + 1,
      volumes: [
        ...answer.volumes,
        { volumeId: 'vol-strangerxx', running: true, head: null, stacks: [], copy: null, exports: [] },
      ],
    }));
    sees('pool', (answer) => ({
      ...answer,
      legs: answer.legs.map((leg) => ({ ...leg, legId: 'leg-strangerxx', volumeId: 'vol-strangerxx' })),
    }));
    const found = await differences();
    expect(found.filter(({ id }) => id === 'vol-strangerxx').map(({ what }) => what)).toEqual([
      'it runs here and is not recorded',
      'it runs here and is not recorded',
    ]);
    expect(found.find(({ id }) => id === 'leg-strangerxx')?.what).toBe('it is here and is not recorded');
    expect(found.some(({ id }) => id === volumeId)).toBe(false);
  });

  it.each([
    ['another size', { sizeBytes: 4096 }, 'it has 4096 bytes'],
    ['bytes that are damaged', { damage: 'half of its file is gone' }, 'half of its file is gone'],
    ['an older epoch', { epoch: 0 }, 'it is at epoch 0'],
    ['another holder', { holderCardId: 'card-9' }, 'its holder is card-9'],
    ['no holder that it is served to', { serving: null }, 'it is not served'],
  ])('names a leg with %s', async (_name, difference, what) => {
    sees('pool', (answer) => ({ ...answer, legs: answer.legs.map((leg) => ({ ...leg, ...difference })) }));
    expect((await differences()).map((one) => one.what)).toEqual([expect.stringContaining(what)]);
  });

  it.each([
    ['without a head', { head: null }, 'it has no head'],
    [
      'with a second stack open',
      {
        stacks: [
          { stackGeneration: 1, legs: [], layers: [], keyRef: null },
          { stackGeneration: 2, legs: [], layers: [], keyRef: null },
        ],
      },
      'open at once',
    ],
    ['that nobody can reach', { exports: [] }, 'it is exported 0 times'],
  ])('names a volume %s', async (_name, difference, what) => {
    sees('card', (answer) => ({ ...answer, volumes: answer.volumes.map((one) => ({ ...one, ...difference })) }));
    expect((await differences()).map((one) => one.what)).toEqual([expect.stringContaining(what)]);
  });

  it('names an agent that does not answer: of what is there nothing is known', async () => {
    const [card] = cell.cards;
    if (!card) throw new Error('no card');
    card.isAway = true;
    expect(await differences()).toEqual([
      { where: `card ${card.id}`, id: card.id, what: expect.stringContaining('it did not answer') },
    ]);
  });

  it('is for those who may see every tenant', async () => {
    expect(await refusalOf(cell.scheduler.checks.run({ caller: operator }))).toBe('forbidden');
  });
});
