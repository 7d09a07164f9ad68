import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Change, changeSchema, volumeSchema } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { isRunning } from '../cluster/processes.js';
import type { Place } from './testing/places.js';
import { checked, subjectsOn } from './testing/subjects.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const run = promisify(execFile);
const system = new System();
beforeAll(() => system.start('postgresql'), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const { filled, movedThrough, holds } = subjectsOn(system);

/** By name: what was started, and has ended by itself. */
const ended = (): string[] => system.cluster.processes.filter((one) => !isRunning(one)).map(({ name }) => name);

/** As a supervisor does. */
async function startEndedAgain(): Promise<void> {
  for (const name of ended()) await system.cluster.restart(name);
}

/** PostgreSQL's own names: SIGINT is its fast shutdown. A postmaster that is killed is a crash, with recovery after it. */
async function restartDatabase(signal: 'SIGINT' | 'SIGKILL', awayMs = 0): Promise<void> {
  await system.cluster.kill('postgresql', signal);
  // How long it is away is what is asked for here; nothing is waited for.
  await delay(awayMs);
  await system.cluster.restart('postgresql');
}

describe('a swap under verified I/O', { timeout: 180_000 }, () => {
  const restarts: readonly (readonly [signal: 'SIGINT' | 'SIGKILL', place: Place])[] = [
    ['SIGINT', 'copying'],
    ['SIGKILL', 'copying'],
    ['SIGKILL', 'cutting over'],
    ['SIGINT', 'retiring'],
  ];

  it.each(restarts)('is completed when PostgreSQL is restarted by %s while %s, and no service ends', async (...how) => {
    const [signal, place] = how;
    const subject = await filled(`restarted-${signal.toLowerCase()}-${place.replace(' ', '-')}`);
    const change = await movedThrough(subject, 'pool-4', place, () => restartDatabase(signal));
    expect(change.state).toBe('settled');
    expect(ended()).toEqual([]);
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });

  it('is completed when PostgreSQL is away for longer than the leases of the services', async () => {
    const subject = await filled('long-away');
    const change = await movedThrough(subject, 'pool-4', 'copying', () => restartDatabase('SIGINT', 8_000));
    expect(change.state).toBe('settled');
    // Whoever asks first when it is back has the lease; one that lost it so ends, and is started as the standby.
    expect(ended().filter((name) => !/^(?:inventory|scheduler)(?:-2)?$/.test(name))).toEqual([]);
    await startEndedAgain();
    await holds(subject, 'pool-4');
    await system.remove(subject.volume);
  });

  it.each(['scheduler', 'inventory'] as const)(
    'is completed by the standby when the active %s is killed',
    async (name) => {
      const subject = await filled(`without-${name}`);
      const active = await system.activeOf(name);
      if (active === null) throw new Error(`no ${name} is active`);
      const change = await movedThrough(subject, 'pool-4', 'copying', () => system.cluster.kill(active, 'SIGKILL'));
      await until('the standby is active', DEADLINE_MS, async () => (await system.activeOf(name)) !== null);
      expect(change.state).toBe('settled');
      await system.cluster.restart(active);
      expect(await system.activeOf(name)).not.toBe(active);
      await holds(subject, 'pool-4');
      await system.remove(subject.volume);
    },
  );
});

/** Crashes PostgreSQL again and again, each time when there is progress since the last; null: it is enough. */
async function crashWhile(progress: () => number | null): Promise<void> {
  for (let before = progress(); before !== null; before = progress()) {
    const last = before;
    await restartDatabase('SIGKILL');
    await until('something is done between two crashes', DEADLINE_MS, async () => progress() !== last);
  }
}

const accepted = z.object({ volume: volumeSchema, change: changeSchema });

describe('a write', { timeout: 180_000 }, () => {
  const placement = { cardId: 'card-1', poolIds: ['pool-1'] };

  it('that comes while PostgreSQL is away is told so, and is done once when it is repeated', async () => {
    const body = JSON.stringify({ name: 'repeated', sizeBytes: 64 * MiB, protocol: 'nbd', placement });
    const write = () => system.write('POST', '/v1/volumes', { key: 'create-repeated', body });
    await system.cluster.kill('postgresql', 'SIGINT');
    const refused = await write();
    const problem = { type: 'urn:flexbso:problem:unavailable', detail: expect.stringContaining('Idempotency-Key') };
    expect([refused.status, await refused.json()]).toEqual([503, expect.objectContaining(problem)]);
    await system.cluster.restart('postgresql');
    const [first, second] = [await write(), await write()];
    expect([first.status, second.status]).toEqual([202, 202]);
    const { volume } = accepted.parse(await first.json());
    expect(accepted.parse(await second.json()).volume.volumeId).toBe(volume.volumeId);
    await until('it is there', DEADLINE_MS, async () => (await system.api.volume(volume.volumeId)).state === 'ready');
    await system.remove(volume);
  });

  it('is done exactly once, however often PostgreSQL crashes, when it is repeated until it is accepted', async () => {
    const { volumeId } = await system.create('counted');
    const changes = 8;
    const statuses = new Set<number>();
    let done = 0;
    const changeOnce = async (): Promise<void> => {
      const body = JSON.stringify({ qos: { iopsTotal: 1_000 + done } });
      const request = { key: `count-${done}`, body, ifMatch: `"${done + 1}"` };
      const taken: Change[] = [];
      await until('it is accepted', DEADLINE_MS, async () => {
        const answer = await system.write('PATCH', `/v1/volumes/${volumeId}`, request);
        statuses.add(answer.status);
        if (answer.status === 202) taken.push(accepted.parse(await answer.json()).change);
        return taken.length > 0;
      });
      for (const { changeId } of taken) expect((await system.api.ended(changeId, DEADLINE_MS)).state).toBe('settled');
    };
    const changing = (async () => {
      for (; done < changes; done += 1) await changeOnce();
    })();
    await Promise.all([changing, crashWhile(() => (done < changes ? done : null))]);
    expect([...statuses].filter((status) => ![202, 503, 504].includes(status))).toEqual([]);
    await startEndedAgain();
    const volume = await system.api.volume(volumeId);
    expect(volume).toMatchObject({ generation: 1 + changes, qos: { iopsTotal: 1_000 + changes - 1 } });
    expect(await checked(system)).toEqual({ differences: [], underWay: 0 });
    await system.remove(volume);
  });
});

describe('a system on PostgreSQL', { timeout: 120_000 }, () => {
  it('keeps what it holds across a stop and a start', async () => {
    const volume = await system.create('kept');
    await system.cluster.stop();
    expect(ended()).toEqual([]);
    await system.startAgain();
    expect(await system.api.volume(volume.volumeId)).toEqual(volume);
    await system.remove(volume);
  });

  it('lets no service into the database of another', async () => {
    const configuration = await readFile(join(system.cluster.folders.configurations, 'scheduler.json'), 'utf8');
    const { databaseUrl } = z.looseObject({ databaseUrl: z.url() }).parse(JSON.parse(configuration));
    const url = new URL(databaseUrl);
    expect(url.hostname).toBe('127.0.0.1');
    url.pathname = '/inventory';
    await expect(run('psql', [url.href, '-c', 'SELECT 1'])).rejects.toThrow('no pg_hba.conf entry');
  });
});
