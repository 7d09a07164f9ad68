import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkReportSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { stopProcesses } from '../cluster/processes.js';
import { BLOCK_BYTES, BlockNumbers, contentOf, NumberedWrites } from '../load/numbered-writes.js';
import { BusRelay } from './testing/bus-relay.js';
import { leftoversOf } from './testing/leftovers.js';
import { refusalOf } from './testing/refusal.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

/** That a card is cut off, and that a leg is gone for good, is found sooner than by default, and in the same way. */
const system = new System({
  inventory: { leaseMs: 9_000, heartbeatMs: 3_000 },
  cardDataPlane: { reconnectDelaySeconds: 5 },
});
let relay: BusRelay;
beforeAll(async () => {
  await system.start();
  relay = await BusRelay.before(system, 'agent-card-1');
}, START_OR_END_MS);
afterAll(async () => {
  await system.end();
  await relay.stop();
}, START_OR_END_MS);

/** Above every number that the first client of a volume comes to. */
const SECOND_CLIENT = 1_000_000_000;

const made = (name: string, poolId: string, layers: { kind: string }[] = []): Promise<Volume> =>
  system.create(name, { sizeBytes: 16 * MiB, stack: { layers }, placement: { cardId: 'card-1', poolIds: [poolId] } });
const uriOf = ({ name, uri }: Volume): string => {
  if (uri === null) throw new Error(`${name} has no address`);
  return uri;
};

/** A client that writes on. What was never written reads as anything where it is encrypted: every block was, once. */
async function writtenAllOver(volume: Volume): Promise<NumberedWrites> {
  const guest = await NumberedWrites.start(uriOf(volume));
  const blocks = volume.sizeBytes / BLOCK_BYTES;
  await until('every block was written', DEADLINE_MS, async () => guest.numbers.blockCount === blocks);
  return guest;
}

async function cardIs(state: string): Promise<void> {
  await until(`card-1 is ${state}`, DEADLINE_MS, async () =>
    (await system.cards()).some((card) => card.cardId === 'card-1' && card.state === state),
  );
}

/** The card's machine goes on, and so does its guest: a hundred writes more are acknowledged. */
async function goesOn(writes: NumberedWrites): Promise<void> {
  const soFar = writes.acknowledgedCount;
  await until('the guest is served', DEADLINE_MS, async () => writes.acknowledgedCount > soFar + 100);
}

async function holds(volume: Volume, numbers: BlockNumbers): Promise<void> {
  const now = await system.api.volume(volume.volumeId);
  expect(now).toMatchObject({ state: 'ready', cardId: 'card-2', settledGeneration: now.generation });
  expect(numbers.wrongIn(await contentOf(uriOf(now)))).toEqual([]);
}

/** The card is back on the bus: it has closed what it had, and everything is as it is recorded. */
async function isClosed(volume: Volume): Promise<void> {
  await until(`card-1 has closed ${volume.name}`, DEADLINE_MS, async () => {
    const { formerCards } = await system.api.volume(volume.volumeId);
    return formerCards.length === 0;
  });
  expect(isOpenOnCard1(volume)).toBe(false);
}

/** Whether the card's machine has a data plane of the volume, whatever that can reach. */
const isOpenOnCard1 = ({ volumeId }: Volume): boolean =>
  existsSync(join(system.cluster.folders.run, 'card-1', volumeId, 'qmp.sock'));

/** Everything of the card's machine ends at once; what lies in memory goes too. */
async function powerIsCut({ volumeId }: Volume): Promise<void> {
  const folder = join(system.cluster.folders.run, 'card-1');
  await system.cluster.kill('agent-card-1', 'SIGKILL');
  await stopProcesses(dataPlanesIn(folder));
  await rm(join(folder, volumeId), { recursive: true, force: true });
}

async function nothingIsLeftOver(): Promise<void> {
  expect(await leftoversOf(system)).toEqual([]);
  const { differences, underWay } = await system.api.get('/v1/check', checkReportSchema);
  expect({ differences, underWay }).toEqual({ differences: [], underWay: 0 });
}

describe('a card that is cut off from the bus while its guests go on writing', { timeout: 300_000 }, () => {
  it('loses its volumes to another card, and nothing that it writes afterwards reaches a leg', async () => {
    const volumes = [await made('plain', 'pool-4'), await made('secret', 'pool-5', [{ kind: 'encryption' }])];
    const local = await made('local', 'pool-1');
    const guests = await Promise.all(volumes.map(writtenAllOver));
    relay.cut();
    await cardIs('unreachable');
    for (const guest of guests) await goesOn(guest);
    expect((await refusalOf(system.api.failoverVolume(local.volumeId))).detail).toContain('is a file on pool pool-1');

    expect((await system.flexbso('failover', 'plain', '--dry-run')).stdout).toContain('fence-leg');
    expect(await system.flexbso('failover', 'plain', '--card', 'card-2', '--wait')).toMatchObject({ status: 0 });
    await system.settled((await system.api.failoverVolume('secret', 'card-2')).change);
    const acknowledged = guests.map((guest) => guest.acknowledgedCount);
    const numbers = guests.map((guest) => new BlockNumbers(guest.numbers));
    for (const [index, volume] of volumes.entries()) await holds(volume, numbers[index] ?? new BlockNumbers());
    const seconds = await Promise.all(
      volumes.map(async ({ volumeId }, index) =>
        NumberedWrites.start(uriOf(await system.api.volume(volumeId)), {
          firstNumber: SECOND_CLIENT,
          after: numbers[index] ?? new BlockNumbers(),
        }),
      ),
    );
    for (const second of seconds) await goesOn(second);
    const check = await system.flexbso('check');
    expect(check.stdout).toContain('it was failed over to card-2');
    expect((await system.flexbso('describe', 'volume', 'plain')).stdout).toContain('card-1 (since');

    // The guests on the old card are told at last, having been told nothing that is not true.
    for (const guest of guests) await until('a write fails', 2 * DEADLINE_MS, async () => guest.failedCount > 0);
    relay.mend();
    await cardIs('ready');
    for (const volume of volumes) await isClosed(volume);
    for (const one of [...guests, ...seconds]) await one.stop();
    expect(guests.map((guest) => guest.acknowledgedCount)).toEqual(acknowledged);
    for (const [index, volume] of volumes.entries()) await holds(volume, seconds[index]?.numbers ?? new BlockNumbers());
    expect(await system.isServed(local)).toBe(true);
    await nothingIsLeftOver();
    for (const volume of [...volumes, local]) await system.remove(volume);
    await nothingIsLeftOver();
  });

  it('loses them also when the agent of the pool is killed while it fences, and gets none back by a reboot', async () => {
    const volume = await made('killed', 'pool-4');
    const guest = await writtenAllOver(volume);
    relay.cut();
    await cardIs('unreachable');
    await goesOn(guest);
    const { change } = await system.api.failoverVolume(volume.volumeId, 'card-2');
    await fencingBegins(volume);
    await system.cluster.kill('agent-pool-4', 'SIGKILL');
    await system.cluster.restart('agent-pool-4');
    await system.settled(change);
    const acknowledged = guest.acknowledgedCount;
    await holds(volume, guest.numbers);
    await until('a write fails', 2 * DEADLINE_MS, async () => guest.failedCount > 0);
    await powerIsCut(volume);
    // It is ready when it has found the bus, which comes later.
    const starting = system.cluster.restart('agent-card-1');
    await until('card-1 tries to build the volume again', DEADLINE_MS, async () => isOpenOnCard1(volume));
    await holds(volume, guest.numbers);
    relay.mend();
    await starting;
    await cardIs('ready');
    await isClosed(volume);
    await guest.stop();
    expect(guest.acknowledgedCount).toBe(acknowledged);
    await holds(volume, guest.numbers);
    await nothingIsLeftOver();
    await system.remove(volume);
  });
});

/** The pool's agent writes what it intends before it acts. */
async function fencingBegins({ legs }: Volume): Promise<void> {
  const file = join(system.cluster.folders.agents, 'pool-4', 'journal', `${legs[0]?.legId}.jsonl`);
  const endMs = Date.now() + DEADLINE_MS;
  while (!(await readFile(file, 'utf8')).includes('"kind":"fence-leg"')) {
    if (Date.now() > endMs) throw new Error('the journal shows no fence');
    await nextTurn();
  }
}
