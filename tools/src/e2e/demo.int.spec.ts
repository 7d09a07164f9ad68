import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { clusterFolders, workspaceFolder } from '../cluster/folders.js';
import { changesFor, demoClients } from '../demo/changes.js';
import type { DemoChange } from '../demo/changes.js';

const reportSchema = z.strictObject({
  ok: z.boolean(),
  changes: z.array(
    z.strictObject({
      name: z.string(),
      steps: z.int().min(0),
      seconds: z.number().positive(),
      bytesCopied: z.int().min(0),
      longestIoMs: z.number().positive(),
      baselineLongestIoMs: z.number().positive(),
      p999IoMs: z.number().positive(),
      failedIo: z.int().min(0),
      wrongBytes: z.int().min(0),
      traceId: z
        .string()
        .regex(/^[0-9a-f]{32}$/)
        .nullable(),
    }),
  ),
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-demo-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The demo as a user runs it, from the built files, with less load before each change. */
async function demo(...options: string[]) {
  const jsonFile = join(folder, 'demo.json');
  const child = spawn(
    process.execPath,
    [join(workspaceFolder, 'tools/dist/demo/main.js'), '--json', jsonFile, '--quick', ...options],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    status,
    output,
    report: () => readFile(jsonFile, 'utf8').then((text) => reportSchema.parse(JSON.parse(text))),
  };
}

const isSwap = (change: DemoChange): boolean =>
  'patch' in change && ['placement', 'stack', 'sizeBytes'].some((key) => key in change.patch);

/** Whatever the demo starts is in the command lines of what it leaves, a guest's machine included. */
const leftRunning = () => dataPlanesIn(clusterFolders(join(workspaceFolder, '.flexbso', 'demo')).run);

describe('the demo', () => {
  it.each(demoClients)(
    'makes every change live under verified I/O of a client of the kind "%s", and leaves nothing running',
    { timeout: 420_000 },
    async (client) => {
      const { status, output, report } = await demo('--client', client);
      expect(output).toContain('No I/O failed, none took more than a second, and no byte was wrong.');
      expect(status).toBe(0);
      const { ok, changes } = await report();
      expect(ok).toBe(true);
      const wanted = changesFor(client);
      expect(changes.map((change) => change.name)).toEqual(wanted.map((change) => change.name));
      expect(changes.every((change) => change.failedIo === 0 && change.wrongBytes === 0)).toBe(true);
      // A restart of a process is no change of the volume: it has neither steps nor a trace of its own.
      const planned = changes.filter((change) => change.steps > 0 && change.traceId !== null);
      expect(planned.map(({ name }) => name)).toEqual(
        wanted.filter((change) => 'patch' in change).map(({ name }) => name),
      );
      // What the client itself writes while the copy runs goes to both stacks at once and is not the copy's.
      const copied = changes.filter((change) => change.bytesCopied > 0).map((change) => change.name);
      expect(copied).toEqual(wanted.filter(isSwap).map(({ name }) => name));
      expect(leftRunning()).toEqual([]);
    },
  );

  it.each(demoClients)('exits 1 when a single byte is wrong: %s', { timeout: 120_000 }, async (client) => {
    const { status, report } = await demo('--client', client, '--only', 'QoS set', '--plant', 'wrong-byte');
    expect(status).toBe(1);
    expect(await report()).toMatchObject({ ok: false, changes: [{ failedIo: 0, wrongBytes: 4096 }] });
  });

  it.each(demoClients)('exits 1 when a single I/O fails: %s', { timeout: 120_000 }, async (client) => {
    const { status, report } = await demo('--client', client, '--only', 'QoS set', '--plant', 'failed-io');
    expect(status).toBe(1);
    expect(await report()).toMatchObject({ ok: false, changes: [{ failedIo: 1, wrongBytes: 0 }] });
    expect(leftRunning()).toEqual([]);
  });

  it('exits 2 when asked for what it does not know', async () => {
    const { status, output } = await demo('--client', 'teapot');
    expect(status).toBe(2);
    expect(output).toContain('--client teapot: guest or nbd');
  });
});
