import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { stepKinds } from './faults/cells.js';
import { faultKinds } from './faults/fault.js';
import { plants } from './plants/plants.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** Two hundred runs are a minute on two cores that nobody else wants. */
const TIMEOUT_MS = 600_000;

const foundSchema = z.strictObject({
  schedules: z.int(),
  events: z.int(),
  faults: z.int(),
  violations: z.array(
    z.strictObject({ seed: z.int(), invariant: z.string(), what: z.string(), atEvent: z.int(), atMs: z.int() }),
  ),
  tooSmall: z.array(z.int()),
  coverage: z.array(
    z.strictObject({ step: z.enum([...stepKinds, 'none']), fault: z.enum(faultKinds), hits: z.int().min(1) }),
  ),
});

/** Which invariant each defect is to break first; some break whichever of two comes first. */
const brokenBy: Readonly<Record<string, readonly string[]>> = {
  'echo-before-the-act': ['echo'],
  'undo-after-the-cut-over': ['complete', 'rest'],
  'reservation-freed-at-applied': ['reservations'],
  'reservation-kept-for-ever': ['reservations'],
  'rates-not-counted': ['reservations'],
  'limits-forgotten': ['acknowledged'],
  'cancel-ignored': ['acknowledged'],
  'pause-ignored': ['acknowledged'],
  'duplicate-applied-twice': ['once'],
  'stale-lease-accepted': ['fenced'],
  'absence-taken-as-deletion': ['absence'],
};

describe('the simulation', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flexbso-simulation-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function simulated(...words: string[]) {
    const file = join(folder, 'found.json');
    const { status, output } = await ran(...words, '--json', file);
    return { status, output, found: foundSchema.parse(JSON.parse(await readFile(file, 'utf8'))) };
  }

  it('finds nothing broken in two hundred runs', { timeout: TIMEOUT_MS }, async () => {
    const { status, found } = await simulated('--schedules', '200');
    expect(found.violations).toEqual([]);
    expect(found.tooSmall).toEqual([]);
    expect([status, found.schedules]).toEqual([0, 200]);
    expect(found.faults).toBe(found.coverage.reduce((sum, { hits }) => sum + hits, 0));
    expect(found.events).toBeGreaterThan(200 * 200);
    expect(found.coverage.length).toBeGreaterThan(100);
  });

  it.each(Object.keys(plants))('finds the planted defect %s', { timeout: TIMEOUT_MS }, async (name) => {
    const { status, found } = await simulated('--schedules', '2000', '--plant', name);
    expect(status).toBe(0);
    const broken = found.violations.map(({ invariant }) => invariant.slice(0, invariant.indexOf(':')));
    expect(brokenBy[name]).toContain(broken[0]);
  });

  it('refuses what it does not understand, and says what there is', async () => {
    const { status, output } = await ran('--plant', 'nothing');
    expect(status).toBe(2);
    expect(output).toContain('echo-before-the-act');
    for (const words of [['--schedules', '-3'], ['--schedules=0'], ['--seed', 'seven'], ['--nothing']])
      expect((await ran(...words)).status).toBe(2);
  });
});

function ran(...words: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}
