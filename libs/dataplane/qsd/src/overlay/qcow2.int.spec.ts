import { execFile } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MAX_VOLUME_SIZE_BYTES, MIN_VOLUME_SIZE_BYTES } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { installedTools } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeOverlay, OVERLAY_LIMITS } from './qcow2.js';

const { qemuImg } = installedTools();
const run = promisify(execFile);
const GIB = 1024 ** 3;
const sizes = [MIN_VOLUME_SIZE_BYTES, 64 * 1024 ** 2 + 4096, GIB, 600 * GIB, 20 * 1024 * GIB, MAX_VOLUME_SIZE_BYTES];
const capabilities = { has: [{ name: 'snapshot' as const, limits: OVERLAY_LIMITS }], lacks: [] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-overlay-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function asked<T>(schema: z.ZodType<T>, ...words: string[]): Promise<T> {
  return schema.parse(JSON.parse((await run(qemuImg, words)).stdout));
}

describe('an empty overlay', () => {
  it.each(sizes)('of %i bytes is one that QEMU finds no fault with', async (sizeBytes) => {
    const file = join(folder, `${sizeBytes}.qcow2`);
    await writeFile(file, makeOverlay(sizeBytes));
    // As large as a leg is: no file of such a size holds anything but a hole.
    await truncate(file, Math.min(overlayBytes(sizeBytes, capabilities), 8 * 1024 * GIB));
    const info = z.looseObject({ 'virtual-size': z.number() });
    expect((await asked(info, 'info', '--output', 'json', file))['virtual-size']).toBe(sizeBytes);
    const check = z.looseObject({ 'check-errors': z.number(), corruptions: z.number().default(0) });
    expect(await asked(check, 'check', '--output', 'json', file)).toMatchObject({ 'check-errors': 0, corruptions: 0 });
  });

  it.each(sizes)('of %i bytes has room for all that it can come to hold', async (sizeBytes) => {
    const measure = z.looseObject({ 'fully-allocated': z.number() });
    const options = ['measure', '--output', 'json', '-O', 'qcow2', '--size', String(sizeBytes)];
    const needed = (await asked(measure, ...options))['fully-allocated'];
    expect(overlayBytes(sizeBytes, capabilities)).toBeGreaterThanOrEqual(needed);
  });
});
