import { beforeEach, describe, expect, it } from 'vitest';
import { operator, reader } from '../testing/fixtures.js';
import { MemoryCell, refusalOf } from '../testing/memory-cell.js';

let cell: MemoryCell;
beforeEach(async () => {
  cell = await MemoryCell.start();
});

describe('lists', () => {
  it('page through volumes and changes, select by labels, and keep tenants apart', async () => {
    for (const [index, name] of ['one', 'two', 'three'].entries()) {
      cell.nowMs += 1;
      await cell.create({ name, labels: { parity: index % 2 === 0 ? 'even' : 'odd' } });
    }
    const names: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await cell.scheduler.queries.listVolumes({ ...reader, pageSize: 2, pageToken });
      names.push(...page.items.map(({ name }) => name));
      pageToken = page.nextPageToken ?? undefined;
    } while (pageToken !== undefined);
    expect(names).toEqual(['one', 'two', 'three']);
    const even = await cell.scheduler.queries.listVolumes({ ...reader, pageSize: 10, labels: { parity: 'even' } });
    expect(even.items.map(({ name }) => name)).toEqual(['one', 'three']);
    const changes = await cell.scheduler.queries.listChanges({ ...reader, pageSize: 10 });
    expect(changes.items).toHaveLength(3);
    const stranger = { v: 1 as const, caller: { ...operator, tenantId: 'other' } };
    expect((await cell.scheduler.queries.listVolumes({ ...stranger, pageSize: 10 })).items).toEqual([]);
    expect(await refusalOf(cell.scheduler.queries.getVolume({ ...stranger, volume: 'one' }))).toBe('not-found');
    expect(
      await refusalOf(cell.scheduler.queries.listVolumes({ ...reader, pageSize: 10, pageToken: 'nonsense' })),
    ).toBe('invalid-request');
  });
});
