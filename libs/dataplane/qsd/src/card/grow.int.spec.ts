import type { CardStep, DesiredCardLeg } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { isSettled, planCard, type PlannedVolume } from '@flexbso/stack';
import { expect, test } from 'vitest';
import { HEAD, legNode, LIMITS, luksNode, windowNode } from '../graph/node-names.js';
import { nothing } from '../qmp/replies.js';
import { desiredLeg, installedQemus, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, testKeyRef, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;

for (const qemu of installedQemus()) {
  for (const isEncrypted of [false, true]) {
    test(`${qemu.name}: a volume on ${isEncrypted ? 'an encrypted' : 'a plain'} file grows if the card says that it can, and never shrinks`, async () => {
      const site = await makeSite(qemu);
      const { capabilities } = await site.card.discover();
      const volume = new TestVolume(site, sizeBytes);
      const leg = await volume.addLeg('host', 'leg-000000000a', isEncrypted);
      await volume.perform(...volume.create(leg, isEncrypted ? 'nbd' : 'virtio-blk'));
      const larger = leg.sizeBytes + sizeBytes;
      const context = { desired: desiredLeg(leg.legId, larger), signal: new AbortController().signal };
      await site.hostPool.perform(
        { kind: 'grow-leg', legId: leg.legId, fromSizeBytes: leg.sizeBytes, sizeBytes: larger },
        context,
      );
      const outcome = await volume
        .perform({ kind: 'grow-head', fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes })
        .then(
          () => 'grown',
          (reason: unknown) => (reason instanceof DataPlaneError ? reason.problem.code : reason),
        );
      const canGrow = capabilities.has.some(({ name }) => name === 'live-grow');
      expect(outcome).toBe(canGrow ? 'grown' : 'missing-capability');
      const observed = await volume.observe();
      expect(observed.head?.sizeBytes).toBe(canGrow ? 2 * sizeBytes : sizeBytes);
      expect(observed.exports).toHaveLength(1);
      expect((await site.hostPool.observe(leg.legId))?.sizeBytes).toBe(larger);
      const shrink = volume.perform({ kind: 'grow-head', fromSizeBytes: 2 * sizeBytes, sizeBytes: sizeBytes / 2 });
      await expect(shrink).rejects.toMatchObject({ problem: { code: 'change-refused' } });
    });
  }
}

const pattern = (text: string) => Buffer.alloc(sizeBytes, text);

for (const isEncrypted of [false, true]) {
  test(`${isEncrypted ? 'an encrypted' : 'a plain'} volume that is built again after its leg grew, and before its head did, has its own bytes, and grows`, async () => {
    const site = await makeSite(setupQemu());
    const volume = new TestVolume(site, sizeBytes);
    const leg = await volume.addLeg('host', 'leg-000000000a', isEncrypted);
    await volume.perform(...volume.create(leg));
    await site.guest.write(volume.volumeId, 0, pattern('before the growth '));
    const larger = leg.sizeBytes + sizeBytes;
    const context = { desired: desiredLeg(leg.legId, larger), signal: new AbortController().signal };
    const grow = { kind: 'grow-leg', legId: leg.legId, fromSizeBytes: leg.sizeBytes, sizeBytes: larger } as const;
    await site.hostPool.perform(grow, context);
    await volume.perform({ kind: 'stop-data-plane', evenIfAttached: true });
    const [start, ...others] = volume.create(leg);
    if (!start) throw new Error('nothing starts the data plane');
    await volume.perform(start, ...others.filter(({ kind }) => kind !== 'format-encryption'));
    const built = await volume.observe();
    expect(built).toMatchObject({ head: { sizeBytes }, stacks: [{ legs: [{ legId: leg.legId }] }] });
    const whole = await site.guest.read(volume.volumeId, 0, sizeBytes);
    expect(whole.equals(pattern('before the growth '))).toBe(true);
    await volume.perform({ kind: 'grow-head', fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes });
    expect((await volume.observe()).head?.sizeBytes).toBe(2 * sizeBytes);
    expect((await site.guest.read(volume.volumeId, 0, sizeBytes)).equals(whole)).toBe(true);
    await site.guest.write(volume.volumeId, sizeBytes, whole);
    expect((await site.guest.read(volume.volumeId, sizeBytes, sizeBytes)).equals(whole)).toBe(true);
    const next = await volume.addLeg('host', 'leg-000000000b', false, 2 * sizeBytes);
    const copy = { ...volume.copy(2, 256 * MIB), bytes: 2 * sizeBytes };
    await volume.perform(...volume.build(2, next), copy, volume.cutOver(2), volume.retire(1, leg));
    expect((await volume.observe()).stacks).toHaveLength(1);
  });
}

/** How a volume's stack is opened again after its data plane was lost: nothing is formatted, all that was recorded is there. */
function rebuilt(volume: TestVolume, leg: DesiredCardLeg): CardStep[] {
  const steps = volume.create(leg).filter(({ kind }) => kind !== 'format-encryption');
  return steps.map((step) => (step.kind === 'open-encryption' ? { ...step, sizeBytes } : step));
}

/** An encrypted volume whose leg has grown, and recorded as such, without it: its growth was taken back. */
async function volumeWithLargerLeg() {
  const volume = new TestVolume(await makeSite(setupQemu()), sizeBytes);
  const leg = await volume.addLeg('host', 'leg-000000000a', true);
  await volume.perform(...volume.create(leg));
  await volume.site.guest.write(volume.volumeId, 0, pattern('before the growth '));
  const legBytes = leg.sizeBytes + sizeBytes;
  const context = { desired: desiredLeg(leg.legId, legBytes), signal: new AbortController().signal };
  const grow = { kind: 'grow-leg', legId: leg.legId, fromSizeBytes: leg.sizeBytes, sizeBytes: legBytes } as const;
  await volume.site.hostPool.perform(grow, context);
  await volume.perform({ kind: 'stop-data-plane', evenIfAttached: true });
  return { volume, leg: { ...leg, sizeBytes: legBytes } };
}

test('an encrypted volume whose growth was taken back is built as it was when its data plane is lost, and grows', async () => {
  const { volume, leg } = await volumeWithLargerLeg();
  const { guest } = volume.site;
  const steps = rebuilt(volume, leg);
  await volume.perform(...steps);
  expect(await volume.observe()).toMatchObject({
    head: { sizeBytes },
    stacks: [{ keyRef: testKeyRef, layers: [{ kind: 'encryption' }], legs: [{ legId: leg.legId }] }],
  });
  const kept = pattern('before the growth ');
  expect((await guest.read(volume.volumeId, 0, sizeBytes)).equals(kept)).toBe(true);

  await volume.perform({ kind: 'grow-head', fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes });
  expect((await guest.read(volume.volumeId, 0, sizeBytes)).equals(kept)).toBe(true);
  await guest.write(volume.volumeId, sizeBytes, kept);
  expect((await guest.read(volume.volumeId, sizeBytes, sizeBytes)).equals(kept)).toBe(true);
  expect(await volume.site.hostPool.observe(leg.legId)).toMatchObject({ sizeBytes: leg.sizeBytes });
});

test('such a volume is swapped; what was opened of it closes again after each step, and inside of opening its encryption', async () => {
  const { volume, leg } = await volumeWithLargerLeg();
  const steps = rebuilt(volume, leg);
  const close: CardStep = { kind: 'close-stack', stackGeneration: 1, legIds: [leg.legId], keyRef: testKeyRef };
  for (let built = 1; built <= 3; built++) {
    await volume.perform(...steps.slice(0, built), close);
    expect(await volume.observe()).toMatchObject({ running: true, stacks: [] });
  }
  for (const goesOn of [false, true]) {
    await volume.perform(...steps.slice(0, 3));
    // As an agent leaves it that died before it showed a part of what it had opened.
    await volume.site.card.close();
    const { qmp } = volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId);
    await qmp.execute('blockdev-del', { 'node-name': luksNode(1, testKeyRef) }, nothing);
    await qmp.close();
    await volume.site.restartCard();
    expect(await volume.observe()).toMatchObject({ stacks: [{ layers: [], keyRef: null }] });
    if (!goesOn) await volume.perform(close);
  }
  await volume.perform(...steps);
  const next = await volume.addLeg('network', 'leg-000000000b', true);
  await volume.perform(...volume.swap(2, leg, next));
  expect(await volume.observe()).toMatchObject({
    head: { sizeBytes, stackGeneration: 2 },
    stacks: [{ stackGeneration: 2 }],
  });
  const kept = await volume.site.guest.read(volume.volumeId, 0, sizeBytes);
  expect(kept.equals(pattern('before the growth '))).toBe(true);
});

const grownBytes = 2 * sizeBytes;

/** A volume on a leg over the network, holding a pattern, and the larger leg that it is to grow onto. */
async function volumeToGrow(from: boolean, to: boolean) {
  const volume = new TestVolume(await makeSite(setupQemu()), sizeBytes);
  const old = await volume.addLeg('network', 'leg-000000000a', from);
  await volume.perform(...volume.create(old));
  await volume.site.guest.write(volume.volumeId, 0, pattern('before the growth '));
  const next = await volume.addLeg('network', 'leg-000000000b', to, grownBytes);
  return { volume, wanted: grownOn(next, to) };
}

/** What is wanted of the volume: the new size, on the larger leg. */
function grownOn({ legId, poolId, epoch, sizeBytes: legBytes }: DesiredCardLeg, isEncrypted: boolean): PlannedVolume {
  return {
    volumeId: 'vol-0123456789',
    sizeBytes: grownBytes,
    qos: null,
    export: { protocol: 'nbd', functionId: 'fn-1' },
    stack: {
      stackGeneration: 2,
      layers: isEncrypted ? [{ kind: 'encryption', cipher: 'aes-xts-256' }] : [],
      keyRef: isEncrypted ? testKeyRef : null,
      legs: [{ legId, poolId, epoch, sizeBytes: legBytes, addressKind: 'nbd' }],
    },
    copyBytesPerSecond: 256 * MIB,
    tombstone: false,
  };
}

/** The steps from what is observed now; nobody is attached over NBD, so it can grow there. */
async function stepsTo(volume: TestVolume, desired: PlannedVolume, appliedStackGeneration: number) {
  const { capabilities } = await volume.site.card.discover();
  const has = capabilities.has.map((one) => (one.name === 'live-grow' ? { ...one, limits: {} } : one));
  const observed = await volume.observe();
  const plan = planCard({
    cardId: 'card-1',
    observed,
    desired,
    appliedStackGeneration,
    capabilities: { has, lacks: capabilities.lacks },
  });
  if (!plan.ok) throw new Error(plan.problem.detail);
  return plan.steps.map(({ step }) => step);
}

/** What the guest has: whether `kept` is there, and all of the new size is its own. */
async function seenAfterGrowth(volume: TestVolume, wanted: PlannedVolume, kept: Buffer) {
  const { site, volumeId } = volume;
  const settled = isSettled(await volume.observe(), wanted);
  const isKept = (await site.guest.read(volumeId, 0, sizeBytes)).equals(kept);
  const beyond = await site.guest.read(volumeId, sizeBytes, sizeBytes);
  const last = Buffer.alloc(MIB, 'beyond ');
  await site.guest.write(volumeId, grownBytes - MIB, last);
  const isWritable = (await site.guest.read(volumeId, grownBytes - MIB, MIB)).equals(last);
  // Beneath encryption zeros read as anything, as on a new volume.
  const isEmptyBeyond = wanted.stack.keyRef !== null || beyond.equals(Buffer.alloc(sizeBytes));
  return { settled, isKept, isEmptyBeyond, isWritable };
}

const grown = { settled: true, isKept: true, isEmptyBeyond: true, isWritable: true };
const named = (isEncrypted: boolean) => (isEncrypted ? 'an encrypted' : 'a plain');
const reopen = (options: object) => ['blockdev-reopen', { options: [options] }] as const;

for (const [from, to] of [
  [false, false],
  [true, true],
  [false, true],
  [true, false],
] as const) {
  test(`a volume grows from ${named(from)} remote leg onto ${named(to)} larger one, with what was written before and during the copy`, async () => {
    const { volume, wanted } = await volumeToGrow(from, to);
    const steps = await stepsTo(volume, wanted, 1);
    const cutOver = steps.findIndex(({ kind }) => kind === 'cut-over');
    await volume.perform(...steps.slice(0, cutOver));
    await volume.site.guest.write(volume.volumeId, 0, pattern('during the copy '));
    await volume.perform(...steps.slice(cutOver));
    expect(await seenAfterGrowth(volume, wanted, pattern('during the copy '))).toEqual(grown);
  });
}

for (const isEncrypted of [false, true]) {
  const beneath = isEncrypted ? luksNode(2, testKeyRef) : legNode(2, 'leg-000000000b', 1);
  /** What growing sends to the daemon, one after the other. */
  const calls = [
    ['block-export-del', { id: 'nbd.fn-1' }],
    reopen({ driver: 'raw', 'node-name': windowNode(2), file: beneath, discard: 'unmap' }),
    ['block_resize', { 'node-name': HEAD, size: grownBytes }],
    reopen({ driver: 'throttle', 'node-name': HEAD, 'throttle-group': LIMITS, file: beneath }),
  ] as const;
  for (let made = 0; made <= calls.length; made++) {
    const death =
      made === 0 ? 'right after the cut-over' : `after ${calls[made - 1]?.[0]}, ${made} calls into growing,`;
    test(`an agent that dies ${death} has the next one grow ${named(isEncrypted)} volume, without a second copy`, async () => {
      const { volume, wanted } = await volumeToGrow(isEncrypted, isEncrypted);
      const steps = await stepsTo(volume, wanted, 1);
      await volume.perform(...steps.slice(0, 1 + steps.findIndex(({ kind }) => kind === 'cut-over')));
      await volume.site.card.close();
      const { qmp } = volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId);
      for (const [command, args] of calls.slice(0, made)) await qmp.execute(command, args, nothing);
      await qmp.close();
      await volume.site.restartCard();
      const rest = await stepsTo(volume, wanted, 2);
      expect(rest.map(({ kind }) => kind)).toEqual([
        'grow-head',
        ...(made === 0 ? [] : ['export-volume']),
        'close-stack',
      ]);
      await volume.perform(...rest);
      expect(await seenAfterGrowth(volume, wanted, pattern('before the growth '))).toEqual(grown);
    });
  }
}

test('a volume whose daemon dies before it has grown is built again with its new size, and no window', async () => {
  const { volume, wanted } = await volumeToGrow(true, true);
  const steps = await stepsTo(volume, wanted, 1);
  await volume.perform(...steps.slice(0, 1 + steps.findIndex(({ kind }) => kind === 'cut-over')));
  await volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId).kill();
  const rebuild = await stepsTo(volume, wanted, 2);
  expect(rebuild.map(({ kind }) => kind)).not.toContain('build-window');
  await volume.perform(...rebuild);
  expect(await seenAfterGrowth(volume, wanted, pattern('before the growth '))).toEqual(grown);
});
