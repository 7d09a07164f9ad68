import type { CardStep } from '@flexbso/contracts';
import { overlayBytes } from '@flexbso/stack';
import { expect, test } from 'vitest';
import {
  type CardUnderTest,
  copyBytesPerSecond,
  creation,
  exportStep,
  keyRef,
  MIB,
  newLegId,
  oldLegId,
  openLeg,
  qos,
  sizeBytes,
  thirdLegId,
  volumeId,
} from './card-under-test.js';

type Card = () => CardUnderTest;

const closeOf = (stackGeneration: number, legId: string): CardStep => ({
  kind: 'close-stack',
  stackGeneration,
  legIds: [legId],
  keyRef: null,
});
const buildOverlay: CardStep = { kind: 'build-overlay', stackGeneration: 2, baseStackGeneration: 1 };
const ontoOverlay: CardStep = { kind: 'cut-over', fromStackGeneration: 1, toStackGeneration: 2, onto: 'overlay' };
const formatOverlay: CardStep = { kind: 'format-overlay', stackGeneration: 2, sizeBytes, legIds: [newLegId] };
const back = { fromStackGeneration: 2, toStackGeneration: 1 };
const writeBack: CardStep[] = [
  { kind: 'copy', ...back, bytes: sizeBytes, copyBytesPerSecond, commits: true },
  { kind: 'cut-over', ...back },
  closeOf(2, newLegId),
];

const overlaysOf = (card: Card) => ({
  async legBytes(): Promise<number> {
    const { capabilities } = await card().dataPlane.discover();
    expect(capabilities.has.map(({ name }) => name)).toContain('snapshot');
    return overlayBytes(sizeBytes, capabilities);
  },
  /** The steps of a snapshot, its legs made. */
  async taking(): Promise<CardStep[]> {
    const legBytes = await this.legBytes();
    await card().addLeg(newLegId, legBytes);
    return [openLeg(2, newLegId, legBytes), formatOverlay, buildOverlay, ontoOverlay];
  },
  writes: async (offset: number, text: string) =>
    card().fixture.guest?.write(volumeId, offset, Buffer.alloc(MIB, text)),
  // A driver that moves no bytes has nothing to read.
  async reads(offset: number, text: string): Promise<void> {
    const wanted = Buffer.alloc(MIB, text);
    const read = (await card().fixture.guest?.read(volumeId, offset, MIB)) ?? wanted;
    expect(read.equals(wanted)).toBe(true);
  },
});

/** The rules of overlays: made on what carries a guest, read through, written back, opened again. */
export function overlaysFollowTheModel(card: Card): void {
  overlaysAreMadeAndEnded(card);
  overlaysKeepWhatIsBeneath(card);
  overlaysAreGuarded(card);
}

function overlaysAreMadeAndEnded(card: Card): void {
  const overlays = overlaysOf(card);
  test('each step of an overlay and of writing it back, done twice, leaves what the model says', async () => {
    await card().perform(...creation);
    const { seen, modelled } = await card().walk([...(await overlays.taking()), ...writeBack]);
    expect(seen).toEqual(modelled);
  });

  test('each step of an overlay, undone twice, leaves what the model says', async () => {
    await card().perform(...creation);
    const steps = (await overlays.taking()).slice(0, 3);
    await card().perform(...steps);
    const { seen, modelled } = await card().walkBack(steps);
    expect(seen).toEqual(modelled);
  });
}

function overlaysKeepWhatIsBeneath(card: Card): void {
  const overlays = overlaysOf(card);
  test('what a guest wrote is read through an overlay, written back into its base, and lost by neither', async () => {
    await card().perform(...creation);
    await overlays.writes(0, 'old ');
    await overlays.writes(2 * MIB, 'old ');
    await card().perform(...(await overlays.taking()));
    await overlays.writes(2 * MIB, 'new ');
    await overlays.writes(4 * MIB, 'new ');
    await card().perform(...writeBack.slice(0, 1));
    await overlays.writes(6 * MIB, 'late');
    await card().perform(...writeBack.slice(1));
    expect((await card().observe()).stacks.map(({ stackGeneration }) => stackGeneration)).toEqual([1]);
    for (const [place, text] of ['old ', 'new ', 'new ', 'late'].entries()) await overlays.reads(2 * place * MIB, text);
  });

  test('an overlay is opened again after its data plane died, and what it lies on was never written', async () => {
    await card().perform(...creation);
    await overlays.writes(0, 'old ');
    const steps = await overlays.taking();
    await card().perform(...steps);
    await overlays.writes(0, 'new ');
    await overlays.writes(MIB, 'new ');
    await card().fixture.kill(volumeId);
    const [start, openOld] = creation;
    const [openNew] = steps;
    if (!start || !openOld || !openNew) throw new Error('a volume is started and its legs are opened');
    const head: CardStep = { kind: 'build-head', stackGeneration: 2, sizeBytes, qos };
    await card().perform(start, openOld, openNew, buildOverlay, head, exportStep);
    await overlays.reads(0, 'new ');
    await overlays.reads(MIB, 'new ');
    expect((await card().observe()).stacks.map(({ baseStackGeneration }) => baseStackGeneration)).toEqual([
      undefined,
      1,
    ]);
    await card().fixture.kill(volumeId);
    await card().perform(...creation);
    await overlays.reads(0, 'old ');
    await overlays.reads(MIB, '\0');
  });

  test('an overlay that holds what a guest wrote is never formatted again', async () => {
    await card().perform(...creation);
    await overlays.writes(0, 'old ');
    const steps = await overlays.taking();
    await card().perform(...steps);
    await overlays.writes(0, 'new ');
    await overlays.writes(3 * MIB, 'new ');
    await card().fixture.kill(volumeId);
    const [start, openOld] = creation;
    const [openNew] = steps;
    if (!start || !openOld || !openNew) throw new Error('a volume is started and its legs are opened');
    const head: CardStep = { kind: 'build-head', stackGeneration: 2, sizeBytes, qos };
    await card().perform(start, openOld, openNew, formatOverlay, buildOverlay, head, exportStep);
    await overlays.reads(0, 'new ');
    await overlays.reads(MIB, '\0');
    await overlays.reads(3 * MIB, 'new ');
    expect((await card().observe()).head).toMatchObject({ stackGeneration: 2 });
  });

  test('a stack that an overlay beneath the head lies on is not closed', async () => {
    await card().perform(...creation, ...(await overlays.taking()));
    const before = await card().observe();
    await card().perform(closeOf(1, oldLegId));
    expect(await card().observe()).toEqual(before);
  });
}

function overlaysAreGuarded(card: Card): void {
  const overlays = overlaysOf(card);
  test('no overlay is made of a leg that does not read as zeros', async () => {
    await card().perform(...creation);
    const [open] = await overlays.taking();
    if (open) await card().perform(open);
    await card().fixture.scribble(newLegId);
    expect(await card().refusal(formatOverlay)).toBe('step-failed');
  });

  test('a head is put onto no overlay that lies on something else, and an overlay is copied back into nothing else', async () => {
    const legBytes = await overlays.legBytes();
    await card().perform(...creation);
    await card().addLeg(newLegId, legBytes);
    await card().addLeg(thirdLegId);
    await card().perform(openLeg(2, newLegId, legBytes), formatOverlay, openLeg(3, thirdLegId));
    expect(await card().refusal(ontoOverlay)).toBe('needs-operator');
    const strange: CardStep = {
      kind: 'copy',
      fromStackGeneration: 1,
      toStackGeneration: 3,
      bytes: sizeBytes,
      copyBytesPerSecond,
      commits: true,
    };
    expect(await card().refusal(strange)).toBe('step-failed');
  });

  test('an encrypted stack carries an overlay as any other', async () => {
    const { capabilities } = await card().dataPlane.discover();
    const header = (await card().encryptedLegBytes()) - sizeBytes;
    const legBytes = overlayBytes(sizeBytes, capabilities) + header;
    await card().perform(...creation);
    await overlays.writes(0, 'old ');
    await card().addLeg(newLegId, legBytes);
    const steps: CardStep[] = [
      openLeg(2, newLegId, legBytes),
      { kind: 'format-encryption', stackGeneration: 2, keyRef, legIds: [newLegId] },
      { kind: 'open-encryption', stackGeneration: 2, keyRef },
      formatOverlay,
      buildOverlay,
      ontoOverlay,
    ];
    const { seen, modelled } = await card().walk(steps);
    expect(seen).toEqual(modelled);
    await overlays.writes(MIB, 'new ');
    await overlays.reads(0, 'old ');
    await overlays.reads(MIB, 'new ');
  });
}
