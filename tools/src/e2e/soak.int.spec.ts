import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { until } from '../api/until.js';
import { processesWhose } from '../cluster/data-planes.js';
import { clusterFolders, workspaceFolder } from '../cluster/folders.js';
import { DEADLINE_MS } from './testing/system.js';

const count = z.int().min(0);
const counts = z.record(z.string(), count);
const reportSchema = z.strictObject({
  changes: count,
  undone: count,
  refused: count,
  kills: count,
  failedIo: count,
  wrongBytes: count,
  leaks: z.strictObject({ files: count, processes: count, descriptors: count, reservations: count }),
  seed: count,
  seconds: count,
  ios: count,
  longestIoMs: count,
  byKind: counts,
  byRefusal: counts,
  byUndoing: counts,
  complaints: z.array(z.string()),
});
const noLeaks = { files: 0, processes: 0, descriptors: 0, reservations: 0 };

const folders = clusterFolders(join(workspaceFolder, '.flexbso', 'soak'));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-soak-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The soak as a user runs it, from the built files. */
function started(...options: string[]) {
  const jsonFile = join(folder, 'soak.json');
  const child = spawn(
    process.execPath,
    [join(workspaceFolder, 'tools/dist/soak/main.js'), '--json', jsonFile, ...options],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    child,
    ended,
    output: () => output,
    report: () => readFile(jsonFile, 'utf8').then((text) => reportSchema.parse(JSON.parse(text))),
  };
}

/** Whatever the soak starts names its folders. */
const leftRunning = () => processesWhose((line) => [folders.root, folders.run].some((path) => line.includes(path)), '');

describe('a soak', () => {
  it(
    'changes volumes under verified I/O while agents and services are killed, and nothing fails, is wrong or leaks',
    { timeout: 600_000 },
    async () => {
      const soak = started('--minutes', '0.4', '--volumes', '3', '--seed', '11');
      expect([await soak.ended, soak.output()]).toEqual([0, expect.stringContaining('All held')]);
      const report = await soak.report();
      expect(report).toMatchObject({ failedIo: 0, wrongBytes: 0, leaks: noLeaks, complaints: [], seed: 11 });
      expect(report.changes).toBeGreaterThan(5);
      expect(report.kills).toBeGreaterThan(1);
      expect(report.ios).toBeGreaterThan(500);
      expect(leftRunning()).toEqual([]);
      expect(existsSync(folders.root)).toBe(false);
    },
  );

  it('exits 1 and counts one wrong byte, one failed I/O and one file left over', { timeout: 600_000 }, async () => {
    const faults = ['wrong-byte', 'failed-io', 'leak'].flatMap((fault) => ['--plant', fault]);
    const soak = started('--minutes', '0.02', '--volumes', '1', ...faults);
    expect(await soak.ended).toBe(1);
    expect(await soak.report()).toMatchObject({ failedIo: 1, wrongBytes: 1, leaks: { ...noLeaks, files: 1 } });
  });

  it('leaves nothing running and nothing behind when it is interrupted', { timeout: 300_000 }, async () => {
    const soak = started('--minutes', '10', '--volumes', '2');
    await until('it changes volumes', 3 * DEADLINE_MS, async () => soak.output().includes('changing and killing'));
    soak.child.kill('SIGINT');
    expect(await soak.ended).toBe(130);
    expect(leftRunning()).toEqual([]);
    expect(existsSync(folders.root)).toBe(false);
  });

  it('exits 2 when asked for what it does not know', async () => {
    const soak = started('--minutes', 'many');
    expect(await soak.ended).toBe(2);
    expect(soak.output()).toContain('--minutes many: a number above 0');
  });
});
