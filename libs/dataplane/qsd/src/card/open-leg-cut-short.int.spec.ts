import { isSettled, type PlannedVolume } from '@flexbso/stack';
import { beforeEach, describe, expect, test } from 'vitest';
import { cutShort, stepsFromNow } from '../testing/cut-short.js';
import { desiredLeg, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const legId = 'leg-000000000a';
const kept = Buffer.alloc(sizeBytes, 'before it was lost ');
/** More than opening a leg takes; a case that is not reached says so. */
const COMMANDS = { 'as large as recorded': 3, 'larger than recorded': 2 } as const;

const wanted: PlannedVolume = {
  volumeId: 'vol-0123456789',
  sizeBytes,
  qos: null,
  export: { protocol: 'nbd', functionId: 'fn-1' },
  stack: {
    stackGeneration: 1,
    layers: [],
    keyRef: null,
    legs: [{ legId, poolId: 'pool-host', epoch: 1, sizeBytes, addressKind: 'file' }],
  },
  copyBytesPerSecond: 256 * MIB,
  tombstone: false,
};

let volume: TestVolume;
let steps: ReturnType<TestVolume['create']>;
beforeEach(async () => {
  volume = new TestVolume(await makeSite(setupQemu()), sizeBytes);
  steps = volume.create(await volume.addLeg('host', legId));
  await volume.perform(...steps);
  await volume.site.guest.write(volume.volumeId, 0, kept);
  await volume.perform({ kind: 'stop-data-plane', evenIfAttached: true });
});

/** As the pool has left it where a growth was taken back after its part. */
async function growLeg(): Promise<void> {
  const context = { desired: desiredLeg(legId, 2 * sizeBytes), signal: new AbortController().signal };
  const grow = { kind: 'grow-leg', legId, fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes } as const;
  await volume.site.hostPool.perform(grow, context);
}

const cases = Object.entries(COMMANDS).flatMap(([size, commands]) =>
  Array.from({ length: commands + 1 }, (_, at) => ({ size, at, commands })),
);

describe.each(cases)('a leg $size whose opening is cut short after $at of $commands commands', ({ size, at }) => {
  let isCut = false;
  beforeEach(async () => {
    if (size === 'larger than recorded') await growLeg();
    const [start, open] = steps;
    if (!start || !open) throw new Error('a volume has its steps');
    await volume.perform(start);
    isCut = await cutShort(volume, open, at);
  });

  test('is opened by the next agent, with the bytes of its guest', async () => {
    expect(isCut).toBe(true);
    await volume.perform(...(await stepsFromNow(volume, wanted)));
    expect(isSettled(await volume.observe(), wanted)).toBe(true);
    expect((await volume.site.guest.read(volume.volumeId, 0, sizeBytes)).equals(kept)).toBe(true);
  });

  test('is closed by the next agent', async () => {
    await volume.perform({ kind: 'close-stack', stackGeneration: 1, legIds: [legId], keyRef: null });
    expect((await volume.observe()).stacks).toEqual([]);
    await volume.perform(...steps.slice(1));
    expect((await volume.site.guest.read(volume.volumeId, 0, sizeBytes)).equals(kept)).toBe(true);
  });
});
