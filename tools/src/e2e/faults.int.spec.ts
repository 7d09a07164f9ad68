import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Change, changeSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { killProcesses } from '../cluster/processes.js';
import { readWholeVolume } from '../load/fio.js';
import { contentOf, NumberedWrites } from '../load/numbered-writes.js';
import type { Place } from './testing/places.js';
import { subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, START_OR_END_MS, System } from './testing/system.js';

/** Long enough for a pool to serve a leg again; a mirror goes on without a leg after it. */
const system = new System({ cardDataPlane: { reconnectDelaySeconds: 15 } });
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, movedThrough, holds, restsOn } = subjectsOn(system);

/** The record of the volume's only outage, once its card has told of it. */
async function healOf({ volumeId }: Volume): Promise<Change> {
  let heal: Change | undefined;
  await until('the outage is recorded', DEADLINE_MS, async () => {
    const { items } = await system.api.get(
      `/v1/changes?volumeId=${volumeId}`,
      z.object({ items: z.array(changeSchema) }),
    );
    heal = items.find(({ kind }) => kind === 'heal');
    return heal !== undefined;
  });
  if (heal === undefined) throw new Error('there is no record of an outage');
  return heal;
}

async function legContent({ volumeId }: Volume, poolId: string): Promise<Buffer> {
  const { legs } = await system.api.volume(volumeId);
  const leg = legs.find((one) => one.poolId === poolId);
  return readFile(join(system.cluster.folders.pools, poolId, `${leg?.legId}.raw`));
}

const crashAndRestart = (name: string) => async (): Promise<void> => {
  await system.cluster.kill(name, 'SIGKILL');
  await system.cluster.restart(name);
};

describe('a swap under verified I/O', { timeout: 180_000 }, () => {
  const crashes: readonly (readonly [process: string, place: Place])[] = [
    ['agent-card-1', 'copying'],
    ['agent-card-1', 'cutting over'],
    ['agent-card-1', 'retiring'],
    ['scheduler', 'preparing'],
    ['scheduler', 'copying'],
    ['scheduler', 'retiring'],
    ['inventory', 'preparing'],
    ['inventory', 'copying'],
    ['inventory', 'retiring'],
    ['agent-pool-4', 'preparing'],
    ['agent-pool-1', 'retiring'],
  ];

  it.each(crashes)('is completed when the %s is killed while %s', async (name, place) => {
    const subject = await filled(`crash-${name}-${place.replace(' ', '-')}`);
    const change = await movedThrough(subject, 'pool-4', place, crashAndRestart(name));
    expect(change.state).toBe('settled');
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });

  it('is completed when NATS is down for ten seconds in the middle of the copy', async () => {
    const subject = await filled('bus-down');
    const change = await movedThrough(subject, 'pool-4', 'copying', async () => {
      await system.cluster.kill('nats', 'SIGKILL');
      // How long it is away is what is asked for here; nothing is waited for.
      await delay(10_000);
      await system.cluster.restart('nats');
    });
    expect(change.state).toBe('settled');
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });

  it('is taken back or completed, and says which, when the daemon of the new leg is killed during the copy', async () => {
    const subject = await filled('leg-killed');
    const change = await movedThrough(subject, 'pool-4', 'copying', () =>
      killProcesses(dataPlanesIn(`${system.cluster.folders.run}/pool-4`)),
    );
    const said = change.state === 'undone' ? change.problem?.detail : change.state;
    expect(said).toMatch(/^settled$|copy/);
    await holds(subject, change.state === 'settled' ? 'pool-4' : 'pool-1');
    await system.remove(subject.volume);
  });
});

describe('a volume under verified I/O', { timeout: 180_000 }, () => {
  it('waits while the daemon of its remote leg is started again by its pool, and goes on without an error', async () => {
    const subject = await filled('serving', { poolId: 'pool-5' });
    const { volume, ledger } = subject;
    const daemons = () => dataPlanesIn(`${system.cluster.folders.run}/pool-5`);
    const result = await system.underLoad(volume, ledger, async () => {
      const [before] = daemons();
      await killProcesses(daemons());
      await until('the pool serves the leg again', DEADLINE_MS, async () => {
        const [now] = daemons();
        return now !== undefined && now.pid !== before?.pid;
      });
      await until('the volume answers', DEADLINE_MS, () => system.isServed(volume));
    });
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    await holds(subject, 'pool-5');
    await system.remove(volume);
  });
});

describe('a mirror under verified I/O', { timeout: 240_000 }, () => {
  it('answers with the new content for ever after a leg missed writes and came back while the agent was dead', async () => {
    const { api, cluster } = system;
    const subject = await filled('mirrored');
    const { volume, ledger } = subject;
    const stack = { layers: [{ kind: 'raid1' as const, legCount: 3, safeRead: false }] };
    const placement = { poolIds: ['pool-1', 'pool-4', 'pool-5'] };
    await system.settled((await api.changeVolume(volume.volumeId, { stack, placement })).change);
    await cluster.kill('agent-card-1', 'SIGKILL');
    const legDaemons = () => dataPlanesIn(`${cluster.folders.run}/pool-4`);
    const result = await system.underLoad(volume, ledger, async () => {
      await cluster.kill('agent-pool-4', 'SIGKILL');
      await killProcesses(legDaemons());
      await until('the mirror goes on without the leg', DEADLINE_MS, () => system.isServed(volume));
      await cluster.restart('agent-pool-4');
      await until('the leg is served again', DEADLINE_MS, async () => legDaemons().length === 1);
      await cluster.restart('agent-card-1');
    });
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    // Without this nothing is shown: the leg that came back does hold old content.
    expect((await legContent(volume, 'pool-4')).equals(await legContent(volume, 'pool-5'))).toBe(false);
    expect(await readWholeVolume(system.targetOf(volume))).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    expect(await system.wrongBlocks(volume, ledger)).toEqual([]);
    const healed = await movedThrough(subject, 'pool-5', 'preparing', async () => undefined, { layers: [] });
    // With the reason, should it be taken back.
    expect(healed).toMatchObject({ state: 'settled', problem: null });
    await holds(subject, 'pool-5');
    await system.remove(volume);
  });
});

/** A volume on a remote leg, with a client that goes on writing to it. */
async function written(name: string): Promise<{ volume: Volume; uri: string; writes: NumberedWrites }> {
  const volume = await system.create(name, { placement: { cardId: 'card-1', poolIds: ['pool-4'] } });
  const uri = String(volume.uri);
  const writes = await NumberedWrites.start(uri);
  await until('the client writes', DEADLINE_MS, async () => writes.acknowledgedCount > 1000);
  return { volume, uri, writes };
}

describe('a card under a client that writes', { timeout: 180_000 }, () => {
  it("builds a volume's stack again when its daemon is killed, with all that was acknowledged", async () => {
    const { volume, uri, writes } = await written('daemon-killed');
    const daemons = () => dataPlanesIn(`${system.cluster.folders.run}/card-1`);
    const before = daemons();
    await killProcesses(before);
    await writes.stop();
    await until('the volume is served again', DEADLINE_MS, () => system.isServed(volume));
    expect(daemons()).toHaveLength(before.length);
    expect(writes.numbers.wrongIn(await contentOf(uri))).toEqual([]);
    expect(await healOf(volume)).toMatchObject({
      state: 'settled',
      outage: { fromIsExact: true, guestMustReset: false },
    });
    await restsOn(volume, 'pool-4');
    await system.remove(volume);
  });

  it('that is rebooted while the control plane is away builds exactly what was applied, asking nobody', async () => {
    const { volume, uri, writes } = await written('rebooted');
    const { cluster } = system;
    const away = ['gateway', 'scheduler', 'inventory', 'nats'];
    for (const name of away) await cluster.kill(name, 'SIGKILL');
    await cluster.kill('agent-card-1', 'SIGKILL');
    await killProcesses(dataPlanesIn(`${cluster.folders.run}/card-1`));
    const goneAtMs = Date.now();
    await writes.stop();
    expect(await system.isServed(volume)).toBe(false);
    const starting = cluster.restart('agent-card-1');
    await until('the volume is served again', DEADLINE_MS, () => system.isServed(volume));
    expect(writes.numbers.wrongIn(await contentOf(uri))).toEqual([]);
    for (const name of away.toReversed()) await cluster.restart(name);
    await starting;
    await until('the card is known again', DEADLINE_MS, async () =>
      (await system.cards()).every((card) => card.state === 'ready'),
    );
    const heal = await healOf(volume);
    // Nobody saw it go: since the last sign of life of the agent that went with it.
    expect(heal).toMatchObject({ outage: { fromIsExact: false, guestMustReset: false } });
    expect(heal.outage?.fromMs).toBeLessThanOrEqual(goneAtMs);
    expect(heal.outage?.untilMs).toBeGreaterThan(goneAtMs);
    expect((await system.flexbso('describe', 'change', heal.changeId)).stdout).toMatch(/I\/O was away +\S.* at most/);
    await restsOn(volume, 'pool-4');
    await system.remove(volume);
  });
});
