import { InventoryContents } from '@flexbso/inventory/deciding';
import { MemoryDatabase } from '@flexbso/persistence/memory';
import { beforeEach, describe, expect, it } from 'vitest';
import { Chance } from '../time/chance.js';
import { Timeline } from '../time/timeline.js';
import { ServiceHost } from './service-host.js';
import type { SimProcess } from './sim-process.js';

/** Longer than a restart, and than a lease that nobody renews. */
const LONG_MS = 60_000;

let timeline: Timeline;
let began: SimProcess[];
let host: ServiceHost<InventoryContents>;

async function play(durationMs: number): Promise<void> {
  const until = timeline.elapsedMs + durationMs;
  timeline.after(durationMs, () => undefined);
  while (timeline.elapsedMs < until)
    if (!(await timeline.next())) throw new Error(`nothing goes on before ${until} ms`);
}

beforeEach(async () => {
  timeline = new Timeline();
  began = [];
  host = new ServiceHost({
    name: 'inventory',
    timeline,
    chance: new Chance(1),
    database: new MemoryDatabase(new InventoryContents()),
    endsAt: () => false,
    onStaleCommit: () => undefined,
    run: async ({ process }) => void began.push(process),
  });
  host.start();
  await play(1_000);
});

describe('the processes of a service', () => {
  it('follow one that ends, and one that stands still', async () => {
    began[0]?.kill();
    await play(LONG_MS);
    began[1]?.stop();
    host.replace();
    await play(LONG_MS);
    expect(began).toHaveLength(3);
    expect(host.process).toBe(began[2]);
  });

  it('follow one that was to take over and ended before it began', async () => {
    const [still] = began;
    still?.stop();
    host.replace();
    const waiting = host.process;
    // Whoever puts the database back ends every process on it.
    for (const process of [waiting, still]) process?.kill();
    await play(LONG_MS);
    expect(began).toHaveLength(2);
    expect(host.process).toBe(began[1]);
    expect([host.process.isAlive, began.includes(waiting)]).toEqual([true, false]);
  });
});
