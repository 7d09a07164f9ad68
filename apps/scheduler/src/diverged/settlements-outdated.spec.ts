import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';
import { settlementsOf } from '../testing/settlements.js';

let cell: MemoryCell;
const { adopt, ask, backUp, check, differences, end, living, restore } = settlementsOf(() => cell);

const agents = () => [...cell.cards, ...cell.pools];
const remove = async (name: string) => {
  const { generation } = await cell.volumeNow(name);
  await cell.scheduler.volumes.delete({ ...cell.asked(), volume: name, basedOnGeneration: generation });
  await cell.settle();
};

/** Everybody has answered a first question, and before the answers are acted on all of this happens. */
function meanwhile(happens: () => Promise<void>): void {
  const answered = new Set<string>();
  cell.whileAsked = async (role, id) => {
    answered.add(`${role} ${id}`);
    if (answered.size < agents().length) return;
    cell.whileAsked = async () => undefined;
    await happens();
  };
}

beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('answers that were overtaken while another agent was waited for', () => {
  it('bring nothing back that was deleted meanwhile', async () => {
    const { volumeId } = await cell.create({ name: 'deleted' });
    await backUp();
    await restore();
    meanwhile(async () => {
      await adopt('card-1');
      await remove('deleted');
    });
    const { settled, refused } = await adopt('card-1');
    expect(settled).toEqual([]);
    expect(refused).toEqual([{ volumeId, why: expect.stringContaining('while cards and pools were asked') }]);
    expect(living()).toEqual([]);
    expect(agents().filter(({ isDiverged }) => isDiverged)).toEqual([]);
    expect((await check()).differences).toEqual([]);
    expect(await differences()).toMatchObject({ volumeCount: 0, agents: [] });
  });

  it('take nothing back that was changed meanwhile, and end nothing, whoever names it', async () => {
    const { volumeId } = await cell.create({ name: 'changed' });
    await backUp();
    await restore();
    const changes = async () => {
      await adopt('card-1');
      await cell.change({ qos: { iopsTotal: 700 } }, 'changed');
      await cell.settle();
    };
    meanwhile(changes);
    expect(await refusalOf(adopt(volumeId))).toBe('diverged');
    expect(await cell.volumeNow('changed')).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 } });
    expect((await check()).differences).toEqual([]);
  });

  it('end nothing that was taken over and changed meanwhile', async () => {
    await backUp();
    const { volumeId } = await cell.create({ name: 'new' });
    await restore();
    meanwhile(async () => {
      await adopt(volumeId, 'new');
      await cell.change({ qos: { iopsTotal: 700 } }, 'new');
      await cell.settle();
    });
    expect(await refusalOf(end(volumeId))).toBe('not-found');
    expect(await cell.volumeNow('new')).toMatchObject({ state: 'ready', qos: { iopsTotal: 700 } });
    expect((await check()).differences).toEqual([]);
  });

  it('are no reason to refuse what two settle at once', async () => {
    await backUp();
    const { volumeId } = await cell.create({ name: 'new' });
    await restore();
    meanwhile(async () => void (await cell.scheduler.settlements.adopt({ ...ask(), id: volumeId, tenantId: 'acme' })));
    const { refused } = await adopt('card-1');
    expect(refused).toEqual([]);
    expect(await cell.volumeNow(volumeId)).toMatchObject({ state: 'ready' });
    expect(agents().filter(({ isDiverged }) => isDiverged)).toEqual([]);
    expect((await check()).differences).toEqual([]);
  });
});
