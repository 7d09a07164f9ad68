import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { dataPlanesIn } from '../cluster/data-planes.js';
import { clusterFolders, workspaceFolder } from '../cluster/folders.js';
import { demoChanges } from '../demo/changes.js';

const reportSchema = z.strictObject({
  ok: z.boolean(),
  changes: z.array(
    z.strictObject({
      name: z.string(),
      steps: z.int().min(1),
      seconds: z.number().positive(),
      bytesCopied: z.int().min(0),
      longestIoMs: z.number().positive(),
      baselineLongestIoMs: z.number().positive(),
      p999IoMs: z.number().positive(),
      failedIo: z.int().min(0),
      wrongBytes: z.int().min(0),
      traceId: z.string().regex(/^[0-9a-f]{32}$/),
    }),
  ),
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-demo-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The demo as a user runs it, from the built files. */
async function demo(...options: string[]) {
  const jsonFile = join(folder, 'demo.json');
  const child = spawn(
    process.execPath,
    [join(workspaceFolder, 'tools/dist/demo/main.js'), '--json', jsonFile, ...options],
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

describe('the demo', () => {
  it('makes every change live under verified I/O, and leaves nothing running', { timeout: 300_000 }, async () => {
    const { status, output, report } = await demo();
    expect(output).toContain('No I/O failed, none took more than a second, and no byte was wrong.');
    expect(status).toBe(0);
    const { ok, changes } = await report();
    expect(ok).toBe(true);
    expect(changes.map((change) => change.name)).toEqual(demoChanges.map((change) => change.name));
    expect(changes.every((change) => change.failedIo === 0 && change.wrongBytes === 0)).toBe(true);
    // What the client itself writes while the copy runs goes to both stacks at once and is not the copy's.
    const copied = changes.filter((change) => change.bytesCopied > 0).map((change) => change.name);
    expect(copied).toEqual(demoChanges.filter(({ patch }) => !('qos' in patch)).map((change) => change.name));
    expect(dataPlanesIn(clusterFolders(join(workspaceFolder, '.flexbso', 'demo')).run)).toEqual([]);
  });

  it('exits 1 when a single byte is wrong', { timeout: 120_000 }, async () => {
    const { status, report } = await demo('--only', 'QoS set', '--plant', 'wrong-byte');
    expect(status).toBe(1);
    expect(await report()).toMatchObject({ ok: false, changes: [{ failedIo: 0, wrongBytes: 4096 }] });
  });

  it('exits 1 when a single I/O fails', { timeout: 120_000 }, async () => {
    const { status, report } = await demo('--only', 'QoS set', '--plant', 'failed-io');
    expect(status).toBe(1);
    expect(await report()).toMatchObject({ ok: false, changes: [{ failedIo: 1, wrongBytes: 0 }] });
  });

  it('exits 2 when asked for what it does not know', async () => {
    const { status, output } = await demo('--client', 'teapot');
    expect(status).toBe(2);
    expect(output).toContain('--client teapot: there is only nbd');
  });
});
