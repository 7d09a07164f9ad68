import type { LegFinding } from '../card-data-plane.js';
import type { CardStep } from '@flexbso/contracts';
import { nothingObserved } from '@flexbso/stack';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  CardUnderTest,
  copyStep,
  creation,
  cutOverStep,
  exportStep,
  format,
  growingSwap,
  MIB,
  newLegId,
  oldLegId,
  openEncryption,
  openLeg,
  plainSwap,
  qos,
  sizeBytes,
  thirdLegId,
  volumeId,
  widenStep,
  type CardFixture,
} from './card-under-test.js';

import { overlaysFollowTheModel } from './overlay-conformance.js';

type Card = () => CardUnderTest;
const nothing = nothingObserved(volumeId);

/** The rules of {@link CardDataPlane}, as tests that every driver passes. Registers a suite; call it from a spec. */
export function cardDataPlaneConformance(name: string, makeFixture: () => Promise<CardFixture>): void {
  describe(`${name} keeps the rules of a card's data plane`, () => {
    let made: CardUnderTest;
    beforeEach(async () => {
      made = new CardUnderTest(await makeFixture());
      await made.addLeg(oldLegId);
    });
    afterEach(async () => {
      await made.fixture.dispose();
    });
    const card = () => made;
    stepsFollowTheModel(card);
    volumesGrow(card);
    stepsAreUndone(card);
    cutOverIsGuarded(card);
    nothingIsDestroyed(card);
    limitsAreSetAsAWhole(card);
    whatRunsIsFoundAgain(card);
    bytesMove(card);
    legsAreChecked(card);
    overlaysFollowTheModel(card);
  });
}

function stepsFollowTheModel(card: Card): void {
  test('a volume of which nothing runs is observed as such', async () => {
    expect(await card().observe()).toEqual(nothing);
    expect(await card().dataPlane.list()).toEqual([]);
  });

  test('each step of creating and removing, done twice, leaves what the model says', async () => {
    const created = await card().walk(creation);
    expect(created.seen).toEqual(created.modelled);
    expect(await card().dataPlane.list()).toEqual([volumeId]);
    expect((await card().dataPlane.measure(volumeId)).volumeId).toBe(volumeId);
    const removed = await card().walk([{ ...exportStep, kind: 'unexport-volume' }, { kind: 'stop-data-plane' }]);
    expect(removed.seen).toEqual(removed.modelled);
    expect(await card().dataPlane.list()).toEqual([]);
  });

  test('it is shown on another function with its head and its stack as they are', async () => {
    await card().perform(...creation);
    const before = await card().observe();
    const other = { ...exportStep, functionId: 'fn-2' };
    const { seen, modelled } = await card().walk([{ ...exportStep, kind: 'unexport-volume' }, other]);
    expect(seen).toEqual(modelled);
    const { head, stacks, exports } = await card().observe();
    expect({ head, stacks }).toEqual({ head: before.head, stacks: before.stacks });
    expect(exports.map(({ functionId }) => functionId)).toEqual(['fn-2']);
  });

  test('each step of a swap, done twice, leaves what the model says', async () => {
    await card().addLeg(newLegId);
    await card().perform(...creation);
    const { seen, modelled } = await card().walk(plainSwap);
    expect(seen).toEqual(modelled);
  });

  test('each step of a swap into an encrypted stack, done twice, leaves what the model says', async () => {
    const legBytes = await card().encryptedLegBytes();
    await card().addLeg(newLegId, legBytes);
    await card().perform(...creation);
    const steps = [openLeg(2, newLegId, legBytes), format, openEncryption, ...plainSwap.slice(1)];
    const { seen, modelled } = await card().walk(steps);
    expect(seen).toEqual(modelled);
  });
}

function volumesGrow(card: Card): void {
  test('each step of a swap to a larger leg, done twice, leaves what the model says', async () => {
    await card().addLeg(newLegId, 2 * sizeBytes);
    await card().perform(...creation);
    const grow = growingSwap.findIndex(({ kind }) => kind === 'grow-head');
    const canGrow = await card().canGrow();
    const { seen, modelled } = await card().walk(canGrow ? growingSwap : growingSwap.slice(0, grow));
    expect(seen).toEqual(modelled);
  });

  test('undoing a swap to a larger leg before its cut-over takes the window and the leg away again', async () => {
    await card().addLeg(newLegId, 2 * sizeBytes);
    await card().perform(...creation);
    const before = await card().observe();
    const steps = growingSwap.slice(
      0,
      growingSwap.findIndex(({ kind }) => kind === 'cut-over'),
    );
    await card().perform(...steps);
    const { seen, modelled } = await card().walkBack(steps);
    expect(seen).toEqual(modelled);
    expect(await card().observe()).toEqual(before);
  });

  test('a stack that is closed before its cut-over goes with its window', async () => {
    await card().addLeg(newLegId, 2 * sizeBytes);
    await card().perform(...creation);
    const before = await card().observe();
    await card().perform(...growingSwap.slice(0, 2));
    expect((await card().observe()).stacks).toContainEqual(expect.objectContaining({ windowBytes: sizeBytes }));
    await card().perform({ kind: 'close-stack', stackGeneration: 2, legIds: [newLegId], keyRef: null });
    expect(await card().observe()).toEqual(before);
  });
}

function stepsAreUndone(card: Card): void {
  test('undoing the steps before a cut-over in reverse, each twice, leaves the old stack as it was', async () => {
    const legBytes = await card().encryptedLegBytes();
    await card().addLeg(newLegId, legBytes);
    await card().perform(...creation);
    const before = await card().observe();
    const steps = [openLeg(2, newLegId, legBytes), format, openEncryption, widenStep, copyStep];
    await card().perform(...steps);
    const { seen, modelled } = await card().walkBack(steps);
    expect(seen).toEqual(modelled);
    expect(await card().observe()).toEqual(before);
  });

  test('undoing what was never done changes nothing', async () => {
    await card().addLeg(newLegId);
    await card().undo(...creation.toReversed());
    expect(await card().observe()).toEqual(nothing);
    await card().perform(...creation);
    const before = await card().observe();
    await card().undo(copyStep, widenStep, openEncryption, format, openLeg(2, newLegId));
    expect(await card().observe()).toEqual(before);
  });

  test('undoing a creation leaves nothing', async () => {
    await card().perform(...creation);
    await card().undo(...creation.toReversed());
    expect(await card().observe()).toEqual(nothing);
  });
}

function cutOverIsGuarded(card: Card): void {
  test('a cut-over without a copy that is ready is refused and the old stack carries on', async () => {
    await card().addLeg(newLegId);
    await card().perform(...creation, openLeg(2, newLegId));
    const before = await card().observe();
    expect(await card().refusal(cutOverStep)).toBe('needs-operator');
    expect(await card().observe()).toEqual(before);
  });

  test('a cut-over is never undone', async () => {
    await card().addLeg(newLegId);
    await card().perform(...creation, openLeg(2, newLegId), copyStep, cutOverStep);
    expect(await card().refusalOfUndo(cutOverStep)).toBe('cut-over-passed');
    expect((await card().observe()).head?.stackGeneration).toBe(2);
  });
}

function nothingIsDestroyed(card: Card): void {
  test('a leg that does not read as zeros is never formatted', async () => {
    const legBytes = await card().encryptedLegBytes();
    await card().addLeg(newLegId, legBytes);
    await card().fixture.scribble(newLegId);
    await card().perform(...creation, openLeg(2, newLegId, legBytes));
    expect(await card().refusal(format)).toBe('step-failed');
  });

  test('a leg of another size than recorded is not opened', async () => {
    await card().addLeg(newLegId);
    await card().perform(...creation);
    const before = await card().observe();
    expect(await card().refusal(openLeg(2, newLegId, sizeBytes + MIB))).toBe('step-failed');
    expect(await card().observe()).toEqual(before);
  });

  test('a volume that is exported keeps its data plane and its head', async () => {
    await card().perform(...creation);
    const before = await card().observe();
    expect(await card().refusal({ kind: 'stop-data-plane' })).toBe('step-failed');
    expect(await card().refusalOfUndo({ kind: 'build-head', stackGeneration: 1, sizeBytes, qos })).toBe('step-failed');
    expect(await card().observe()).toEqual(before);
  });

  test('a volume that is exported ends with its data plane where its legs are fenced', async () => {
    await card().perform(...creation);
    const { seen, modelled } = await card().walk([{ kind: 'stop-data-plane', evenIfAttached: true }]);
    expect(seen).toEqual(modelled);
    expect((await card().observe()).running).toBe(false);
  });
}

function limitsAreSetAsAWhole(card: Card): void {
  test('limits are set as a whole: what is not named is lifted', async () => {
    await card().perform(...creation);
    const narrower = { iopsRead: 100, iopsReadBurst: 200 };
    const { seen, modelled } = await card().walk([
      { kind: 'set-limits', from: qos, to: narrower },
      { kind: 'set-limits', from: narrower, to: null },
    ]);
    expect(seen).toEqual(modelled);
  });

  test('widened limits are widened anew for other numbers, and lifted', async () => {
    await card().perform(...creation, widenStep);
    const other = { iopsTotal: 700 };
    const { seen, modelled } = await card().walk([
      { kind: 'widen-limits', from: other, copyBytesPerSecond: 1024 ** 2 },
      { kind: 'restore-limits', to: null },
    ]);
    expect(seen).toEqual(modelled);
  });

  test('setting limits ends a widening', async () => {
    await card().perform(...creation, widenStep);
    const { seen, modelled } = await card().walk([{ kind: 'set-limits', from: qos, to: null }]);
    expect(seen).toEqual(modelled);
  });
}

function whatRunsIsFoundAgain(card: Card): void {
  test('an agent that starts anew finds what runs, and goes on with it', async () => {
    await card().addLeg(newLegId);
    await card().perform(...creation, openLeg(2, newLegId), widenStep, copyStep);
    const before = await card().observe();
    card().dataPlane = await card().fixture.restart();
    expect(await card().observe()).toEqual(before);
    const { seen, modelled } = await card().walk(plainSwap.slice(3));
    expect(seen).toEqual(modelled);
  });

  test('a data plane that dies is told of at once, and found to be gone', async () => {
    await card().perform(...creation);
    const gone = Promise.withResolvers<string>();
    card().dataPlane.onGone(gone.resolve);
    await card().observe();
    await card().fixture.kill(volumeId);
    expect(await gone.promise).toBe(volumeId);
    expect(await card().observe()).toEqual(nothing);
  });

  test('whether a data plane ended in order is known until it is started again', async () => {
    const isInOrder = () => card().dataPlane.endedInOrder(volumeId);
    expect(await isInOrder()).toBe(false);
    await card().perform(...creation);
    expect(await isInOrder()).toBe(false);
    await card().fixture.end(volumeId);
    expect(await card().observe()).toEqual(nothing);
    card().dataPlane = await card().fixture.restart();
    expect(await isInOrder()).toBe(true);
    await card().perform(...creation);
    await card().fixture.kill(volumeId);
    expect(await isInOrder()).toBe(false);
  });

  test('how each open leg is reached is found again, as it was opened', async () => {
    expect(await card().dataPlane.openLegs(volumeId)).toEqual([]);
    await card().perform(...creation);
    const [leg] = card().legs;
    const identity = (await card().fixture.secrets.legKey(oldLegId))?.identity ?? null;
    const opened = [{ legId: leg?.legId, epoch: leg?.epoch, address: leg?.address, identity }];
    expect(await card().dataPlane.openLegs(volumeId)).toEqual(opened);
    card().dataPlane = await card().fixture.restart();
    expect(await card().dataPlane.openLegs(volumeId)).toEqual(opened);
  });
}

function bytesMove(card: Card): void {
  test('what a guest wrote before and during a swap is read from the new stack', async () => {
    const { guest } = card().fixture;
    const legBytes = await card().encryptedLegBytes();
    await card().addLeg(newLegId, legBytes);
    await card().perform(...creation);
    const [before, during] = [Buffer.alloc(MIB, 'before '), Buffer.alloc(MIB, 'during ')];
    await guest?.write(volumeId, 3 * MIB, before);
    await card().perform(openLeg(2, newLegId, legBytes), format, openEncryption, copyStep);
    await guest?.write(volumeId, 5 * MIB, during);
    await card().perform(cutOverStep, ...plainSwap.slice(5));
    expect((await card().observe()).head?.stackGeneration).toBe(2);
    // A driver that moves no bytes has nothing to read.
    const read = async (offset: number, otherwise: Buffer) => (await guest?.read(volumeId, offset, MIB)) ?? otherwise;
    expect((await read(3 * MIB, before)).equals(before)).toBe(true);
    expect((await read(5 * MIB, during)).equals(during)).toBe(true);
    expect((await read(0, Buffer.alloc(MIB))).equals(Buffer.alloc(MIB))).toBe(true);
  });
}

function legsAreChecked(card: Card): void {
  const layer = { kind: 'raid1', legCount: 3, safeRead: true } as const;
  const legIds = [oldLegId, newLegId, thirdLegId];
  const mirror: CardStep[] = [
    { kind: 'start-data-plane' },
    ...legIds.map((legId) => openLeg(1, legId)),
    { kind: 'build-redundancy', stackGeneration: 1, layer, legIds },
    { kind: 'build-head', stackGeneration: 1, sizeBytes, qos: null },
    exportStep,
  ];

  async function addMirror(): Promise<void> {
    const { has } = (await card().dataPlane.discover()).capabilities;
    expect(has.map(({ name }) => name)).toContain('safe-read');
    await card().addLeg(newLegId);
    await card().addLeg(thirdLegId);
  }

  test('each step of a mirror with safe reads, done twice and undone twice, leaves what the model says', async () => {
    await addMirror();
    const built = await card().walk(mirror);
    expect(built.seen).toEqual(built.modelled);
    expect(built.seen.at(-1)?.observed.stacks).toMatchObject([{ layers: [layer] }]);
    await card().undo(...mirror.slice(-2).toReversed());
    const undone = await card().walkBack(mirror.slice(1, -2));
    expect(undone.seen).toEqual(undone.modelled);
  });

  test('a leg that was changed behind a mirror with safe reads is told of with its place, and is as the others after the read', async () => {
    await addMirror();
    await card().perform(...mirror);
    const told: LegFinding[] = [];
    const first = Promise.withResolvers<string>();
    card().dataPlane.onLegBad((whose, finding) => {
      told.push(finding);
      first.resolve(whose);
    });
    await card().observe();
    await card().fixture.scribble(newLegId);
    await card().fixture.readAll(volumeId);
    expect(await first.promise).toBe(volumeId);
    expect(told).toMatchObject([{ legId: newLegId, kind: 'differs', isWrittenOver: true }]);
    const [{ offsetBytes, lengthBytes } = { offsetBytes: -1, lengthBytes: 0 }] = told;
    expect(offsetBytes).toBeLessThanOrEqual(MIB);
    expect(offsetBytes + lengthBytes).toBeGreaterThan(MIB);
    await card().fixture.readAll(volumeId);
    await card().observe();
    expect(told).toHaveLength(1);
  });
}
