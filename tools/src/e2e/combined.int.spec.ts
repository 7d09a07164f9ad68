import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeSchema } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { DemoChange } from '../demo/changes.js';
import { runChanges } from '../demo/run-changes.js';
import { MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flexbso-combined-'));
  await system.start();
}, START_OR_END_MS);
afterAll(async () => {
  await system.end();
  await rm(folder, { recursive: true });
}, START_OR_END_MS);

const mirror = { kind: 'raid1', legCount: 3, safeRead: false } as const;
const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;

/**
 * The first begins on one plain leg of pool-1; the second and third grow a redundant volume by two changes, the fourth
 * by one. What has grown onto a plain leg reads as zeros, which is looked at too.
 */
const changes = (mayGrow: boolean): DemoChange[] => [
  {
    name: 'mirrored, encrypted, moved and limited at once',
    patch: {
      stack: { layers: [encryption, mirror] },
      placement: { poolIds: ['pool-1', 'pool-4', 'pool-5'] },
      qos: { iopsTotal: 4000 },
    },
  },
  {
    name: 'one plain leg elsewhere, unlimited, and larger where the client can be told, at once',
    patch: {
      stack: { layers: [] },
      placement: { poolIds: ['pool-5'] },
      qos: null,
      ...(mayGrow ? { sizeBytes: 96 * MiB } : {}),
    },
  },
  {
    name: 'mirrored and encrypted again, with the size that it has now',
    patch: { stack: { layers: [encryption, mirror] }, placement: { poolIds: ['pool-1', 'pool-4', 'pool-5'] } },
  },
  ...(mayGrow
    ? [
        {
          name: 'a larger mirror without encryption, by way of one leg, in one change of two stages',
          patch: { stack: { layers: [mirror] }, sizeBytes: 128 * MiB },
        },
      ]
    : []),
];

describe('several differences in one change under verified I/O', { timeout: 420_000 }, () => {
  it('are made by one swap each, or one in each of two stages, with every byte kept', async () => {
    const client = installedTools().guest === null ? 'nbd' : 'guest';
    const wanted = changes(client === 'guest');
    const quick = { sizeBytes: 64 * MiB, warmUpMs: 1000, baselineMs: 1000, planted: null, say: () => undefined };
    const rows = await runChanges({ cluster: system.cluster, client, changes: wanted, folder, ...quick });
    expect(rows).toEqual(wanted.map(({ name }) => expect.objectContaining({ name, failedIo: 0, wrongBytes: 0 })));
    const { items } = await system.api.get('/v1/changes', z.object({ items: z.array(changeSchema) }));
    const made = items.filter(({ kind }) => kind === 'change');
    expect(made).toHaveLength(wanted.length);
    for (const { state, plan } of made) {
      expect(state).toBe('settled');
      expect(plan.steps.filter(({ cutOver }) => cutOver)).toHaveLength(plan.secondStageAt === null ? 1 : 2);
    }
  });
});
