import type { CardStep, QosLimits } from '@flexbso/contracts';
import { isSettled, type PlannedVolume, widenedLimits } from '@flexbso/stack';
import { beforeEach, describe, expect, test } from 'vitest';
import { readGraph } from '../graph/graph.js';
import { fromThrottleLimits } from '../graph/throttle-limits.js';
import { cutShort, stepsFromNow } from '../testing/cut-short.js';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const sizeBytes = 16 * MIB;
const copyBytesPerSecond = 64 * MIB;
const stackLegs = ['leg-000000000a', 'leg-000000000b'] as const;

/** What is wanted while the volume runs on its first stack, or is to be swapped onto its second. */
function wanted(qos: QosLimits | null, stackGeneration: 1 | 2): PlannedVolume {
  const legId = stackLegs[stackGeneration - 1] ?? 'none';
  return {
    volumeId: 'vol-0123456789',
    sizeBytes,
    qos,
    export: { protocol: 'nbd', functionId: 'fn-1' },
    stack: {
      stackGeneration,
      layers: [],
      keyRef: null,
      legs: [{ legId, poolId: 'pool-host', epoch: 1, sizeBytes, addressKind: 'file' }],
    },
    copyBytesPerSecond,
    limitsAtOnce: true,
    tombstone: false,
  };
}

/** Plans from what is observed and goes on, up to where a copy would begin. */
async function goOn(volume: TestVolume, desired: PlannedVolume): Promise<void> {
  const steps = await stepsFromNow(volume, desired);
  const copy = steps.findIndex(({ kind }) => kind === 'copy');
  await volume.perform(...(copy === -1 ? steps : steps.slice(0, copy)));
}

/** The numbers that the guest is held to. */
async function inForce(volume: TestVolume): Promise<QosLimits | null> {
  await volume.site.card.close();
  const { qmp } = volume.site.daemonIn(volume.site.cardOptions.runDirectory, volume.volumeId);
  const { limits } = await readGraph(qmp);
  await qmp.close();
  return limits === null ? null : fromThrottleLimits(limits);
}

const own = { iopsTotal: 500, bytesPerSecondTotal: 20_000_000 };
const other = { iopsTotal: 900 };
const writesAlone = { iopsWrite: 300 };
const widen = (from: QosLimits): CardStep => ({ kind: 'widen-limits', from, copyBytesPerSecond });
const set = (from: QosLimits | null, to: QosLimits | null): CardStep => ({ kind: 'set-limits', from, to });
const restore = (to: QosLimits | null): CardStep => ({ kind: 'restore-limits', to });

interface Case {
  readonly name: string;
  readonly before: readonly CardStep[];
  readonly step: CardStep;
  readonly qos: QosLimits | null;
  readonly commands: number;
}

const widened: readonly Case[] = [
  { name: 'widening', before: [set(null, own)], step: widen(own), qos: own, commands: 2 },
  { name: 'widening for others', before: [set(null, own)], step: widen(other), qos: other, commands: 3 },
  { name: 'widening those of none', before: [], step: widen(own), qos: own, commands: 3 },
  { name: 'widening anew', before: [set(null, own), widen(own)], step: widen(other), qos: other, commands: 2 },
  { name: 'writes alone', before: [set(null, own)], step: widen(writesAlone), qos: writesAlone, commands: 3 },
  { name: 'lifting widened ones', before: [set(null, own), widen(own)], step: restore(null), qos: null, commands: 2 },
];

const unwidened: readonly Case[] = [
  { name: 'setting', before: [set(null, own)], step: set(own, other), qos: other, commands: 1 },
  { name: 'restoring', before: [set(null, own), widen(own)], step: restore(own), qos: own, commands: 2 },
  { name: 'restoring others', before: [set(null, own), widen(own)], step: restore(other), qos: other, commands: 2 },
  { name: 'restoring none', before: [set(null, own), widen(own)], step: restore(null), qos: null, commands: 2 },
  {
    name: 'setting widened ones',
    before: [set(null, own), widen(own)],
    step: set(own, other),
    qos: other,
    commands: 2,
  },
  {
    name: 'restoring writes alone',
    before: [set(null, writesAlone), widen(writesAlone)],
    step: restore(writesAlone),
    qos: writesAlone,
    commands: 2,
  },
];

let volume: TestVolume;
beforeEach(async () => {
  volume = new TestVolume(await makeSite(setupQemu()), sizeBytes);
  const [old, next] = [await volume.addLeg('host', stackLegs[0]), await volume.addLeg('host', stackLegs[1])];
  await volume.perform(...volume.create(old), ...volume.build(2, next));
});

const afterEach = (cases: readonly Case[]) =>
  cases.flatMap((one) => Array.from({ length: one.commands + 1 }, (_, commands) => ({ ...one, at: commands })));

describe('an agent that dies in the midst of limits before a copy', () => {
  test.each(afterEach(widened))('has the next one widen them: $name, $at of $commands commands', async (one) => {
    await volume.perform(...one.before);
    expect(await cutShort(volume, one.step, one.at)).toBe(true);
    await goOn(volume, wanted(one.qos, 2));
    expect((await volume.observe()).head).toMatchObject({ qos: one.qos, widened: one.qos !== null });
    expect(await inForce(volume)).toEqual(one.qos === null ? null : widenedLimits(one.qos, copyBytesPerSecond));
    await goOn(volume, wanted(own, 1));
    expect(await inForce(volume)).toEqual(own);
  });
});

describe('an agent that dies in the midst of limits without a copy', () => {
  test.each(afterEach(unwidened))('has the next one set them: $name, $at of $commands commands', async (one) => {
    await volume.perform(...one.before);
    expect(await cutShort(volume, one.step, one.at)).toBe(true);
    await goOn(volume, wanted(one.qos, 1));
    expect(await inForce(volume)).toEqual(one.qos);
    expect(isSettled(await volume.observe(), wanted(one.qos, 1))).toBe(true);
  });
});
