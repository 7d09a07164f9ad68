import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkReportSchema, type Volume } from '@flexbso/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../api/until.js';
import { BlockLedger } from '../load/block-ledger.js';
import { fillVolume } from '../load/fio.js';
import { BlockNumbers, contentOf, NumberedWrites } from '../load/numbered-writes.js';
import { leftoversOf } from './testing/leftovers.js';
import { refusalOf } from './testing/refusal.js';
import { DEADLINE_MS, MiB, START_OR_END_MS, System } from './testing/system.js';

const system = new System();
beforeAll(() => system.start(), START_OR_END_MS);
afterAll(() => system.end(), START_OR_END_MS);

const sizeBytes = 32 * MiB;
const made = (name: string, poolId: string, layers: { kind: string }[] = []): Promise<Volume> =>
  system.create(name, { sizeBytes, stack: { layers }, placement: { cardId: 'card-1', poolIds: [poolId] } });
const now = ({ volumeId }: Volume) => system.api.volume(volumeId);

async function flexbso(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await system.flexbso(...words);
  expect([status, stderr]).toEqual([0, expect.anything()]);
  return stdout;
}

/** Written once, and found again wherever the volume is shown. */
async function filled(volume: Volume): Promise<BlockLedger> {
  const ledger = new BlockLedger(volume.sizeBytes);
  await fillVolume(system.targetOf(volume), ledger);
  return ledger;
}

async function holds(volume: Volume, ledger: BlockLedger): Promise<Volume> {
  const shown = await now(volume);
  expect(shown).toMatchObject({ state: 'ready', attached: true });
  expect(await system.wrongBlocks(shown, ledger)).toEqual([]);
  return shown;
}

const runsOn = (cardId: string, { volumeId }: Volume): boolean =>
  existsSync(join(system.cluster.folders.run, cardId, volumeId, 'qmp.sock'));

async function nothingIsLeftOver(): Promise<void> {
  expect(await leftoversOf(system)).toEqual([]);
  const { differences, underWay } = await system.api.get('/v1/check', checkReportSchema);
  expect({ differences, underWay }).toEqual({ differences: [], underWay: 0 });
}

describe('a volume that is detached', { timeout: 300_000 }, () => {
  it('holds every byte when it is attached again, on the same card, another function and another card', async () => {
    const plain = await made('plain', 'pool-4');
    const secret = await made('secret', 'pool-5', [{ kind: 'encryption' }]);
    const ledgers = [await filled(plain), await filled(secret)] as const;
    for (const [index, volume] of [plain, secret].entries()) {
      const ledger = ledgers[index] ?? new BlockLedger(sizeBytes);
      expect(await flexbso('detach', 'volume', volume.name, '--dry-run')).toContain('unexport-volume');
      await flexbso('detach', 'volume', volume.name, '--wait');
      expect(await now(volume)).toMatchObject({ state: 'detached', attached: false, uri: null });
      expect(runsOn('card-1', volume)).toBe(false);
      expect(await system.isServed(volume)).toBe(false);
      await nothingIsLeftOver();
      await flexbso('attach', 'volume', volume.name, '--wait');
      expect(await holds(volume, ledger)).toMatchObject({ cardId: 'card-1', functionId: volume.functionId });
      await flexbso('detach', 'volume', volume.name, '--wait');
      expect(await flexbso('attach', 'volume', volume.name, '--card', 'card-2', '--dry-run')).toContain('fence-leg');
      await flexbso('attach', 'volume', volume.name, '--card', 'card-2', '--wait');
      const moved = await holds(volume, ledger);
      expect(moved).toMatchObject({ cardId: 'card-2', formerCards: [], legs: [{ epoch: 2 }] });
      expect([runsOn('card-1', volume), runsOn('card-2', volume)]).toEqual([false, true]);
      await nothingIsLeftOver();
    }
    for (const volume of [plain, secret]) await system.remove(await now(volume));
    await nothingIsLeftOver();
  });

  it('gives its function to another volume, takes limits meanwhile, and is deleted without a card', async () => {
    const [first, second] = [await made('first', 'pool-1'), await made('second', 'pool-4')];
    const ledger = await filled(first);
    await flexbso('detach', 'volume', 'first', '--wait');
    await flexbso('attach', 'volume', 'second', '--function', first.functionId, '--wait');
    expect(await now(second)).toMatchObject({ state: 'ready', functionId: first.functionId });
    expect((await refusalOf(system.api.attachVolume(first.volumeId, { cardId: 'card-2' }))).detail).toContain(
      'is a file on pool pool-1, in the host of card card-1',
    );
    expect(await refusalOf(system.api.changeVolume(first.volumeId, { sizeBytes: 2 * sizeBytes }))).toMatchObject({
      code: 'volume-detached',
    });
    await flexbso('change', 'volume', 'first', '--iops', '500', '--wait');
    await flexbso('attach', 'volume', 'first', '--wait');
    const shown = await holds(first, ledger);
    expect(shown.qos).toEqual({ iopsTotal: 500 });
    expect(shown.functionId).not.toBe(first.functionId);
    await flexbso('detach', 'volume', 'first', '--wait');
    await system.remove(await now(first));
    await system.remove(await now(second));
    await nothingIsLeftOver();
  });
});

describe('a guest that writes while its volume is detached', { timeout: 300_000 }, () => {
  it('is cut off, and finds on the other card all that was acknowledged to it, and nothing else', async () => {
    const volume = await made('busy', 'pool-4');
    const guest = await NumberedWrites.start(volume.uri ?? '');
    await until('the guest writes', DEADLINE_MS, async () => guest.acknowledgedCount > 200);
    await flexbso('detach', 'volume', 'busy', '--wait');
    const numbers = new BlockNumbers(guest.numbers);
    await flexbso('attach', 'volume', 'busy', '--card', 'card-2', '--wait');
    const { uri } = await now(volume);
    expect(numbers.wrongIn(await contentOf(uri ?? ''))).toEqual([]);
    await guest.stop();
    expect(numbers.wrongIn(await contentOf(uri ?? ''))).toEqual([]);
    await system.remove(await now(volume));
    await nothingIsLeftOver();
  });

  it('finds it on another function of its card after one change', async () => {
    const volume = await made('moves', 'pool-1');
    const ledger = await filled(volume);
    const other = (await system.cards())
      .find(({ cardId }) => cardId === 'card-1')
      ?.functions.find(({ functionId, protocols }) => functionId !== volume.functionId && protocols.includes('nbd'));
    const functionId = other?.functionId ?? '';
    expect(await flexbso('attach', 'volume', 'moves', '--function', functionId, '--dry-run')).toContain(
      `its device on function ${volume.functionId} goes away`,
    );
    await flexbso('attach', 'volume', 'moves', '--function', functionId, '--wait');
    expect(await holds(volume, ledger)).toMatchObject({ functionId, cardId: 'card-1' });
    await system.remove(await now(volume));
    await nothingIsLeftOver();
  });
});
