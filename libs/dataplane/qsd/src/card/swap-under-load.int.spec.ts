import { installedTools } from '@flexbso/testkit';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 64 * MIB;
/** The five changes take three to six seconds on two busy cores; the load outlasts them. */
const LOAD_SECONDS = 15;

const fioReply = z.looseObject({
  jobs: z
    .array(
      z.looseObject({
        error: z.int(),
        total_err: z.int().optional(),
        write: z.looseObject({ total_ios: z.int() }),
        read: z.looseObject({ total_ios: z.int() }),
      }),
    )
    .length(1),
});

/** Writes at random, reads back what it wrote, and compares. */
async function verifiedLoad(fio: string, uri: string): Promise<z.infer<typeof fioReply>> {
  const child = spawn(
    fio,
    [
      '--name=load',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--rw=randwrite',
      '--bs=4k',
      '--iodepth=16',
      `--size=${sizeBytes}`,
      '--verify=crc32c',
      '--verify_backlog=512',
      '--verify_fatal=1',
      // Otherwise it leaves a file of its own in the working directory.
      '--verify_state_save=0',
      '--time_based',
      `--runtime=${LOAD_SECONDS}`,
      '--rate_iops=3000',
      '--output-format=json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const output = await text(child.stdout);
  return fioReply.parse(JSON.parse(output.slice(output.indexOf('{'))));
}

test('a volume is moved from its own pool to a remote one and on, and encrypted and back, beneath verified I/O', async () => {
  const site = await makeSite(setupQemu());
  const volume = new TestVolume(site, sizeBytes);
  const legs = [
    await volume.addLeg('host', 'leg-000000000a'),
    await volume.addLeg('network', 'leg-000000000b'),
    await volume.addLeg('network', 'leg-000000000c'),
    await volume.addLeg('network', 'leg-000000000d', true),
    await volume.addLeg('host', 'leg-000000000e'),
  ] as const;
  const qos = { iopsTotal: 20_000 };
  await volume.perform(...volume.create(legs[0], 'nbd', qos));
  const uri = (await volume.observe()).exports[0]?.uri ?? '';
  let isLoadOver = false;
  const load = verifiedLoad(installedTools().fio, uri).finally(() => (isLoadOver = true));
  const writesBefore = (await site.card.measure(volume.volumeId)).writeOperations;
  await vi.waitFor(
    async () => expect((await site.card.measure(volume.volumeId)).writeOperations).toBeGreaterThan(writesBefore + 500),
    { timeout: 10_000 },
  );
  for (const [index, leg] of legs.entries()) {
    const from = legs[index - 1];
    if (from === undefined) continue;
    await volume.perform(
      { kind: 'widen-limits', from: qos, copyBytesPerSecond: 128 * MIB },
      ...volume.swap(index + 1, from, leg, 128 * MIB),
      { kind: 'restore-limits', to: qos },
    );
  }
  expect(isLoadOver).toBe(false);
  const { jobs } = await load;
  expect(jobs[0]).toMatchObject({ error: 0 });
  expect(jobs[0]?.total_err ?? 0).toBe(0);
  expect(jobs[0]?.read.total_ios).toBeGreaterThan(1000);
  expect(await volume.observe()).toMatchObject({
    head: { stackGeneration: 5, qos, widened: false },
    copy: null,
    stacks: [{ stackGeneration: 5 }],
  });
});
