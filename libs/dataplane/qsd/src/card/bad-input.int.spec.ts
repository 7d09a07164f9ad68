import { randomBytes } from 'node:crypto';
import { open, readFile, truncate } from 'node:fs/promises';
import type { CardStep, DesiredCardLeg } from '@flexbso/contracts';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { eventually } from '@flexbso/testkit';
import { expect, test } from 'vitest';
import type { NbdClient } from '../nbd/nbd-client.js';
import { LUKS_HEADER_BYTES } from '../luks/header.js';
import { desiredLeg, type QsdSite, setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume, testKeyRef } from '../testing/test-volume.js';

const makeSite = sitesOfTests();
const qemu = setupQemu();
const sizeBytes = 16 * MIB;
const BLOCK_BYTES = 4096;
const badLegId = 'leg-00000000ff';

/** A volume that runs, with a client that goes on writing and reading back; what happens beside must not be felt. */
class Neighbour {
  readonly volume: TestVolume;
  #rounds = 0;
  #wrong = 0;
  #isOver = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(site: QsdSite) {
    this.volume = new TestVolume(site, sizeBytes);
  }

  static async start(site: QsdSite): Promise<Neighbour> {
    const neighbour = new Neighbour(site);
    const { volume } = neighbour;
    await volume.perform(...volume.create(await volume.addLeg('host', 'leg-000000000a')));
    neighbour.#ended = site.withGuest(volume.volumeId, (client) => neighbour.#run(client));
    return neighbour;
  }

  /** How many blocks were wrong, once some more were written. Fails when an I/O failed. */
  async stop(): Promise<number> {
    const soFar = this.#rounds;
    await eventually('the neighbour goes on', () => this.#rounds > soFar + 10);
    this.#isOver = true;
    await this.#ended;
    return this.#wrong;
  }

  async #run(client: NbdClient): Promise<void> {
    for (; !this.#isOver; this.#rounds += 1) {
      const offset = (this.#rounds % (sizeBytes / BLOCK_BYTES)) * BLOCK_BYTES;
      const bytes = randomBytes(BLOCK_BYTES);
      await client.write(offset, bytes);
      if (!(await client.read(offset, BLOCK_BYTES)).equals(bytes)) this.#wrong += 1;
    }
  }
}

/** What came of opening a stack on a bad leg beside a running one. */
interface Beside {
  readonly refusedStep: CardStep['kind'] | null;
  readonly code: string | null;
  readonly detail: string;
  readonly isFileAsItWas: boolean;
  readonly openStacks: readonly number[];
  readonly wrongBlocksOfNeighbour: number;
}

/** Opens a stack 2 on the bad leg beside the running stack 1, and takes back what of it was done. */
async function openedBeside(
  site: QsdSite,
  leg: DesiredCardLeg,
  spoilt: Parameters<TestVolume['context']>[0] = {},
): Promise<Beside> {
  const neighbour = await Neighbour.start(site);
  const { volume } = neighbour;
  volume.legs.push(leg);
  const before = await readFile(site.legFile(leg.legId));
  const done: CardStep[] = [];
  const refusal = await refusalOf(site, volume, { steps: volume.build(2, leg, false), done, spoilt });
  for (const step of done.toReversed()) await site.card.undo(volume.volumeId, step, volume.context());
  const { stacks } = await volume.observe();
  return {
    ...refusal,
    openStacks: stacks.map(({ stackGeneration }) => stackGeneration),
    wrongBlocksOfNeighbour: await neighbour.stop(),
    isFileAsItWas: (await readFile(site.legFile(leg.legId))).equals(before),
  };
}

async function refusalOf(
  site: QsdSite,
  volume: TestVolume,
  {
    steps,
    done,
    spoilt,
  }: { steps: readonly CardStep[]; done: CardStep[]; spoilt: Parameters<TestVolume['context']>[0] },
): Promise<Pick<Beside, 'refusedStep' | 'code' | 'detail'>> {
  for (const step of steps) {
    const [outcome] = await Promise.allSettled([site.card.perform(volume.volumeId, step, volume.context(spoilt))]);
    if (outcome.status === 'fulfilled') done.push(step);
    else if (!(outcome.reason instanceof DataPlaneError)) throw outcome.reason;
    else return { refusedStep: step.kind, ...outcome.reason.problem };
  }
  return { refusedStep: null, code: null, detail: '' };
}

/** Refused at a step, in such words; nothing else was harmed. */
const refusedAt = (step: CardStep['kind'], says: RegExp) => ({
  refusedStep: step,
  code: 'step-failed',
  detail: expect.stringMatching(says),
  isFileAsItWas: true,
  openStacks: [1],
  wrongBlocksOfNeighbour: 0,
});

/** A leg with an encryption header and bytes beneath it, closed again: as a volume leaves it that does not run now. */
async function encryptedLeg(site: QsdSite, reach: 'host' | 'network'): Promise<DesiredCardLeg> {
  const volume = new TestVolume(site, sizeBytes);
  const leg = await volume.addLeg(reach, badLegId, true);
  await volume.perform(...volume.create(leg));
  await site.guest.write(volume.volumeId, 0, Buffer.alloc(MIB, 'secret '));
  await volume.perform({ kind: 'unexport-volume', protocol: 'nbd', functionId: 'fn-1' }, { kind: 'stop-data-plane' });
  return leg;
}

const otherKey = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(32).fill(9));

const reaches = ['host', 'network'] as const;

test.each(reaches)('a wrong key opens nothing of an encrypted leg: %s', async (reach) => {
  const site = await makeSite(qemu);
  const leg = await encryptedLeg(site, reach);
  const secrets = { ...site.secrets, volumeKey: otherKey };
  expect(await openedBeside(site, leg, { secrets })).toMatchObject(
    refusedAt('open-encryption', new RegExp(`${testKeyRef} does not open .*${badLegId}.*copy`)),
  );
});

test.each(reaches)('a damaged encryption header is not opened and not made anew: %s', async (reach) => {
  const site = await makeSite(qemu);
  const leg = await encryptedLeg(site, reach);
  const file = await open(site.legFile(leg.legId), 'r+');
  await file.write(randomBytes(LUKS_HEADER_BYTES), 0, LUKS_HEADER_BYTES, 0);
  await file.close();
  expect(await openedBeside(site, leg)).toMatchObject(
    refusedAt('open-encryption', new RegExp(`${badLegId}.*header.*is damaged.*copy`)),
  );
});

test('a leg that its pool serves with another size than recorded is not opened', async () => {
  const site = await makeSite(qemu);
  const leg = await site.makeLeg('network', badLegId, sizeBytes + MIB);
  expect(await openedBeside(site, { ...leg, sizeBytes })).toMatchObject(
    refusedAt(
      'open-leg',
      new RegExp(`${badLegId} has 17825792 bytes .* 16777216 are recorded.*put the whole one back`),
    ),
  );
});

test('a leg file that somebody truncated is opened by no card', async () => {
  const site = await makeSite(qemu);
  const leg = await site.makeLeg('host', badLegId, sizeBytes);
  await truncate(site.legFile(badLegId), sizeBytes - MIB);
  expect(await openedBeside(site, leg)).toMatchObject(
    refusedAt(
      'open-leg',
      new RegExp(`${badLegId} has 15728640 bytes .* 16777216 are recorded.*put the whole one back`),
    ),
  );
});

test.each(reaches)(
  'a leg file that somebody truncated is neither served, nor extended, nor made anew by its pool, and can be deleted: %s',
  async (reach) => {
    const site = await makeSite(qemu);
    await site.makeLeg(reach, badLegId, sizeBytes);
    const pool = reach === 'host' ? site.hostPool : site.networkPool;
    if (reach === 'network') await site.killLegServer(badLegId);
    await truncate(site.legFile(badLegId), sizeBytes - MIB);
    const before = await readFile(site.legFile(badLegId));
    const context = { desired: desiredLeg(badLegId, sizeBytes), signal: new AbortController().signal };
    const says = expect.stringMatching(
      /leg-00000000ff.*pool-(host|net).*15728640 bytes.*16777216 are recorded.*put back/,
    );
    for (const step of [
      { kind: 'create-leg', legId: badLegId, sizeBytes },
      { kind: 'serve-leg', legId: badLegId, epoch: 1, holderCardId: 'card-1' },
      { kind: 'grow-leg', legId: badLegId, fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes },
    ] as const)
      await expect(pool.perform(step, context)).rejects.toMatchObject({
        problem: { code: 'needs-operator', detail: says },
      });
    expect(await pool.observe(badLegId)).toMatchObject({ sizeBytes, damage: says });
    expect((await readFile(site.legFile(badLegId))).equals(before)).toBe(true);
    await pool.perform({ kind: 'stop-serving-leg', legId: badLegId }, context);
    await pool.perform({ kind: 'delete-leg', legId: badLegId }, context);
    expect(await pool.observe(badLegId)).toBeNull();
  },
);

test('a leg that two volumes claim stays with the first: its pool gives it to no other', async () => {
  const site = await makeSite(qemu);
  const neighbour = await Neighbour.start(site);
  const [leg] = neighbour.volume.legs;
  if (leg === undefined) throw new Error('the neighbour has no leg');
  const desired = { ...desiredLeg(leg.legId, sizeBytes), volumeId: 'vol-00000000zz' };
  const create = { kind: 'create-leg', legId: leg.legId, sizeBytes } as const;
  await expect(site.hostPool.perform(create, { desired, signal: new AbortController().signal })).rejects.toMatchObject({
    problem: {
      code: 'needs-operator',
      detail: expect.stringContaining(
        'leg-000000000a on pool pool-host belongs to vol-0123456789, not to vol-00000000zz',
      ),
    },
  });
  expect(await neighbour.stop()).toBe(0);
});
