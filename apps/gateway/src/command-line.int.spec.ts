import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { subjects } from '@flexbso/contracts';
import { publishEvent } from '@flexbso/messaging';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  cancelledChangeExample,
  cardExample,
  changeExample,
  eventExample,
  planExample,
  traceExample,
  volumeExample,
} from './openapi/examples.js';
import { type GatewayUnderTest, secrets, startGatewayUnderTest } from './testing/gateway-under-test.js';

/** `flexbso` as people run it: a process, the built one. Apps do not import each other. */
const executable = fileURLToPath(new URL('../../cli/bin/flexbso.js', import.meta.url));

let gateway: GatewayUnderTest;
let elsewhere: string;
beforeAll(async () => {
  gateway = await startGatewayUnderTest();
  elsewhere = await mkdtemp(join(tmpdir(), 'flexbso-cli-'));
});
beforeEach(() => gateway.script.reset());
afterAll(async () => {
  await gateway.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

async function flexbso(args: readonly string[], environment: Record<string, string> = {}, cwd = elsewhere) {
  const child = spawn(process.execPath, [executable, ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      FLEXBSO_SERVER: gateway.url,
      FLEXBSO_TOKEN: secrets.operator,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
  await once(child, 'close');
  return { exitCode: child.exitCode, stdout, stderr };
}
const json = async (args: readonly string[]): Promise<unknown> =>
  JSON.parse((await flexbso([...args, '-o', 'json'])).stdout);

describe('flexbso', () => {
  it('lists and describes, for people and for programs', async () => {
    const listed = await flexbso(['get', 'volumes', '-l', 'app=shop']);
    expect(listed.exitCode).toBe(0);
    expect(listed.stdout).toContain('256MiB');
    // No terminal, no colours.
    expect(listed.stdout).not.toContain('\u001b');
    expect(gateway.script.last?.payload).toMatchObject({ labels: { app: 'shop' } });
    expect(await json(['get', 'volumes'])).toEqual([volumeExample]);
    expect(await json(['describe', 'change', changeExample.changeId])).toEqual(changeExample);
    expect((await flexbso(['describe', 'volume', 'db'])).stdout).toContain('2 wanted, 2 applied, 2 settled');
    expect((await flexbso(['describe', 'snapshot', 'db', 'before-upgrade'])).stdout).toContain(
      'flat: its legs hold all',
    );
    expect((await flexbso(['describe', 'volume', 'db'])).stdout).toContain('chg-0123456789, then chg-0123456780');
    expect((await flexbso(['get', 'events'])).stdout).toContain('applied');
    for (const noun of ['card', 'pool']) {
      expect((await flexbso(['get', `${noun}s`])).stdout).toContain('tier=gold');
      expect((await flexbso(['describe', noun, 'card-a'])).stdout).toContain('stand-in');
    }
  });

  it('creates a volume and waits until it has settled', async () => {
    const args = ['create', 'volume', 'db', '--size', '256MiB', '--encryption', '--raid1', '2', '--pool', 'target-d'];
    const more = [
      '--card',
      'card-a',
      '--iops',
      '500',
      '--bandwidth',
      '1MiB',
      '--label',
      'a=b',
      '--protocol',
      'nbd',
      '--wait',
    ];
    const { exitCode, stdout } = await flexbso([...args, ...more]);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('settled') });
    const asked = gateway.script.asked.find(({ verb }) => verb === 'create-volume');
    expect(asked?.payload).toMatchObject({
      spec: {
        name: 'db',
        sizeBytes: 256 * 1024 ** 2,
        protocol: 'nbd',
        labels: { a: 'b' },
        stack: { layers: [{ kind: 'encryption' }, { kind: 'raid1', legCount: 2 }] },
        qos: { iopsTotal: 500, bytesPerSecondTotal: 1024 ** 2 },
        placement: { cardId: 'card-a', poolIds: ['target-d'] },
      },
    });
  });

  it('changes what is asked and keeps the rest, based on what the volume is', async () => {
    await flexbso(['change', 'volume', 'db', '--encryption', 'on', '--bandwidth', '1MiB']);
    expect(gateway.script.last).toMatchObject({
      verb: 'change-volume',
      payload: {
        volume: volumeExample.volumeId,
        basedOnGeneration: 2,
        patch: {
          stack: { layers: [{ kind: 'encryption' }] },
          qos: { iopsTotal: 5_000, bytesPerSecondTotal: 1024 ** 2 },
        },
      },
    });
    await flexbso(['change', 'volume', 'db', '--iops', 'none']);
    expect(gateway.script.last?.payload).toMatchObject({ patch: { qos: null } });
    await flexbso(['delete', 'volume', 'db', '--plan-digest', planExample.digest]);
    expect(gateway.script.last).toMatchObject({ verb: 'delete-volume', payload: { planDigest: planExample.digest } });
  });

  it('fails a volume over, to a card that is named or to any', async () => {
    const { exitCode } = await flexbso(['failover', 'db', '--card', 'card-b', '--wait']);
    expect(exitCode).toBe(0);
    const payload = { volume: volumeExample.volumeId, basedOnGeneration: 2 };
    const asked = gateway.script.asked.find(({ verb }) => verb === 'failover-volume');
    expect(asked?.payload).toMatchObject({ ...payload, cardId: 'card-b' });
    expect((await flexbso(['failover', 'db', '--dry-run'])).stdout).toContain(planExample.digest);
    expect(gateway.script.last).toMatchObject({ verb: 'plan-failover', payload });
  });

  it('cancels a change, and waits until it is known what came of it', async () => {
    const { changeId } = changeExample;
    expect((await flexbso(['cancel', changeId])).stdout).toBe(`change ${changeId} undone: taken back\n`);
    expect(gateway.script.last).toMatchObject({ verb: 'cancel-change', payload: { changeId } });
    gateway.script.answers.set('get-change', cancelledChangeExample);
    expect((await flexbso(['cancel', changeId, '--wait'])).exitCode).toBe(0);
    const late = { by: 'alice', atMs: 1, outcome: 'cut-over-passed' };
    gateway.script.answers.set('get-change', { ...changeExample, cancel: late });
    const completed = await flexbso(['cancel', changeId, '--wait']);
    expect(completed).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('settled: the cancel came too late'),
    });
    expect((await flexbso(['describe', 'change', changeId])).stdout).toMatch(/cancelled +by alice at .*: too late/);
  });

  it('pauses and resumes a card or the fleet, and shows what is paused and what is overdue', async () => {
    expect((await flexbso(['pause', 'card', 'card-a'])).stdout).toContain('card card-a is paused by alice since');
    expect(gateway.script.last).toMatchObject({ verb: 'pause', payload: { cardId: 'card-a' } });
    await flexbso(['pause', '--all']);
    expect(gateway.script.last).toMatchObject({ verb: 'pause', payload: { cardId: null } });
    expect((await flexbso(['resume', '--all'])).stdout).toBe('nothing is paused\n');
    expect(gateway.script.last).toMatchObject({ verb: 'resume', payload: { cardId: null } });
    expect((await flexbso(['get', 'cards'])).stdout).toMatch(/PAUSED.*\n.*by alice/);
    expect((await flexbso(['describe', 'card', 'card-a'])).stdout).toContain('changes: the fleet is paused by alice');
    gateway.script.refusals.set('list-pauses', { code: 'unavailable', detail: 'starting' });
    expect(await flexbso(['get', 'cards'])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('unknown') });
    const overdue = { step: 'copy', limitMs: 64_000, sinceMs: 1_760_000_000_000 };
    gateway.script.answers.set('get-change', { ...changeExample, state: 'applying', overdue });
    const described = (await flexbso(['describe', 'change', changeExample.changeId])).stdout;
    expect(described).toMatch(/overdue +since 2025-10-09.*: copy takes longer than its limit of 64 s/);
    expect(await flexbso(['pause'])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('shows plans, and writes nothing', async () => {
    for (const args of [
      ['plan', 'volume', 'db', '--iops', '5'],
      ['change', 'volume', 'db', '--iops', '5', '--dry-run'],
    ]) {
      const { stdout } = await flexbso(args);
      expect(stdout).toContain('set-limits');
      expect(stdout).toContain(planExample.digest);
    }
    expect(await json(['plan', 'delete', 'volume', 'db'])).toEqual(planExample);
    expect(await json(['plan', 'create', 'volume', 'db', '--size', '1GiB'])).toEqual(planExample);
    expect(gateway.script.asked.filter(({ verb }) => /^(create|change|delete)-/.test(verb))).toEqual([]);
  });

  it('draws the trace of a change, and cordons', async () => {
    expect((await flexbso(['trace', changeExample.changeId])).stdout).toContain('gateway: PATCH /v1/volumes/:volume');
    expect(await json(['trace', changeExample.changeId])).toEqual(traceExample);
    expect((await flexbso(['cordon', 'card', 'card-a'])).exitCode).toBe(0);
    expect(gateway.script.last).toMatchObject({ verb: 'cordon-card', payload: { cordoned: true } });
  });

  it('backs up and restores, and shows and settles what differs', async () => {
    expect((await flexbso(['backup', 'before-upgrade'])).stdout).toContain('before-upgrade: 1 volumes');
    expect(gateway.script.last).toMatchObject({ verb: 'create-backup', payload: { name: 'before-upgrade' } });
    expect((await flexbso(['get', 'backups'])).stdout).toContain('before-upgrade');
    expect((await flexbso(['restore', 'before-upgrade'])).stdout).toContain('flexbso get differences');
    const differences = (await flexbso(['get', 'differences'])).stdout;
    expect(differences).toContain('vol-0123456789: created since the backup');
    expect((await flexbso(['get', 'differences', 'card-2'])).stdout).not.toContain('vol-0123456789');
    gateway.script.answers.set('get-card', { ...cardExample, cardId: 'card-1' });
    expect((await flexbso(['describe', 'card', 'card-1'])).stdout).toContain('card card-1 is diverged: 1 volumes');
    const adopted = await flexbso(['adopt', 'vol-0123456789', '--name', 'db', '--tenant', 'acme']);
    expect(adopted.stdout).toContain('card card-1 follows');
    expect(gateway.script.last).toMatchObject({
      verb: 'adopt',
      payload: { id: 'vol-0123456789', name: 'db', tenantId: 'acme' },
    });
    expect((await flexbso(['delete', 'diverged', 'vol-0123456789'])).exitCode).toBe(0);
    expect(gateway.script.last).toMatchObject({ verb: 'delete-diverged', payload: { id: 'vol-0123456789' } });
    gateway.script.answers.set('adopt', {
      settled: [],
      refused: [{ volumeId: 'vol-0123456789', why: 'no' }],
      following: [],
    });
    expect(await flexbso(['adopt', 'card-1'])).toMatchObject({
      exitCode: 1,
      stdout: 'vol-0123456789 not settled: no\n',
    });
  });

  it('shows why a card is quarantined, and releases it', async () => {
    gateway.script.answers.set('get-card', { ...cardExample, state: 'quarantined', quarantineReason: 'it lied' });
    expect((await flexbso(['describe', 'card', 'card-a'])).stdout).toMatch(/quarantine reason +it lied/);
    expect((await flexbso(['release', 'card', 'card-a'])).stdout).toBe('card card-a is ready\n');
    expect(gateway.script.last).toMatchObject({ verb: 'release-card', payload: { cardId: 'card-a' } });
    expect((await flexbso(['release', 'pool', 'target-d'])).exitCode).toBe(0);
    expect(gateway.script.last).toMatchObject({ verb: 'release-pool', payload: { poolId: 'target-d' } });
  });

  it.each([
    ['trace', 'nope'],
    ['describe', 'change', 'chg-1'],
    ['describe', 'card', 'Card A'],
    ['get', 'changes', '--volume', 'db'],
    ['get', 'volumes', '-l', 'a=b=c'],
    ['cordon', 'pool', '../x'],
    ['create', 'volume', 'db', '--size', '1GiB', '--pool', 'A'],
  ])('asks nobody about what cannot be: %s %s %s', async (...args) => {
    expect(await flexbso(args)).toMatchObject({ exitCode: 2, stdout: '' });
    expect(gateway.script.asked).toEqual([]);
  });

  it('watches events, from one on', async () => {
    const subject = subjects.event('change', eventExample.id, 'applied');
    const publish = (messageId: string) =>
      publishEvent(gateway.bus('scheduler'), subject, { ...eventExample, eventId: messageId }, { messageId });
    await publish('evt-a');
    await publish('evt-b');
    const { stdout, exitCode } = await flexbso([
      'watch',
      '--kind',
      'change',
      '--after',
      '0',
      '--count',
      '2',
      '-o',
      'json',
    ]);
    expect(exitCode).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toMatchObject([
      { sequence: 1, eventId: 'evt-a' },
      { sequence: 2, eventId: 'evt-b' },
    ]);
  });
});

describe('its exit codes', () => {
  it('1: the API refuses, with its reason and every field', async () => {
    gateway.script.refusals.set('create-volume', {
      code: 'no-placement',
      detail: 'every card is cordoned',
      errors: [{ path: 'placement.cardId', message: 'is cordoned' }],
    });
    const { exitCode, stderr, stdout } = await flexbso(['create', 'volume', 'db', '--size', '1GiB']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('no-placement: every card is cordoned\n  placement.cardId: is cordoned');
  });

  it('1: the change that was waited for is undone', async () => {
    const problem = { code: 'step-failed', detail: 'the copy failed' };
    gateway.script.answers.set('get-change', { ...changeExample, state: 'undone', problem });
    const { exitCode, stderr } = await flexbso(['change', 'volume', 'db', '--iops', '5', '--wait']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('is undone: step-failed: the copy failed');
  });

  it.each([
    [['create', 'volume', 'db', '--size', '256MB'], '"MB" is not a unit'],
    [['create', 'volume', 'db', '--size', '-1MiB'], 'not a size'],
    [['create', 'volume', 'db'], '--size'],
    [['change', 'volume', 'db'], 'say what to change'],
    [['get', 'volumes', '--colour'], 'unknown option'],
    [['get', 'nothing'], 'unknown command'],
    [['get', 'cards', '-o', 'xml'], 'table, json'],
  ])('2: a wrong command line: %j', async (args, reason) => {
    const { exitCode, stderr } = await flexbso(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(reason);
  });

  it('2: no server to ask, and no file that names one', async () => {
    const { exitCode, stderr } = await flexbso(['get', 'cards'], { FLEXBSO_SERVER: '', FLEXBSO_TOKEN: '' });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('npm start');
  });

  it('0 with the file that names one, found upward', async () => {
    const deep = join(elsewhere, 'project', 'a', 'b');
    await mkdir(deep, { recursive: true });
    await mkdir(join(elsewhere, 'project', '.flexbso'));
    const file = join(elsewhere, 'project', '.flexbso', 'client.json');
    await writeFile(file, JSON.stringify({ server: gateway.url, token: secrets.viewer }), { mode: 0o600 });
    const { exitCode } = await flexbso(['get', 'cards'], { FLEXBSO_SERVER: '', FLEXBSO_TOKEN: '' }, deep);
    expect(exitCode).toBe(0);
    expect(gateway.script.last?.payload).toMatchObject({ caller: { name: secrets.viewer } });
  });

  it('4: the change has not ended in time', async () => {
    gateway.script.answers.set('get-change', { ...changeExample, state: 'applying', waitingFor: 'card card-a' });
    const { exitCode, stderr } = await flexbso(['change', 'volume', 'db', '--iops', '5', '--wait', '--timeout', '1']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('waiting for card card-a');
  });

  it('3: a service stays away, in spite of retries with the same key', async () => {
    const unavailable = { code: 'unavailable', detail: 'starting' } as const;
    gateway.script.refusals.set('create-volume', unavailable);
    const { exitCode } = await flexbso(['create', 'volume', 'db', '--size', '1GiB']);
    expect(exitCode).toBe(3);
    const keys = gateway.script.asked.map(({ payload }) => payload['idempotencyKey']);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
  });

  it('3: nobody is there', async () => {
    const { exitCode, stderr } = await flexbso(['get', 'cards'], {
      FLEXBSO_SERVER: gateway.nats.url.replace('nats', 'http'),
    });
    expect(exitCode).toBe(3);
    expect(stderr).toContain('does not answer');
  });
});
