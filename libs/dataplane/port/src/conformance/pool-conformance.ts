import { deepStrictEqual } from 'node:assert/strict';
import type { DesiredLeg, ObservedLeg, PoolStep } from '@flexbso/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PoolDataPlane, PoolStepContext } from '../pool-data-plane.js';
import { codeOf } from './refusals.js';

/** What a driver's author gives, made anew for each test. */
export interface PoolFixture {
  /** Of a pool that has room for at most {@link POOL_CAPACITY_BYTES}. */
  readonly dataPlane: PoolDataPlane;
  /** Lets go of `dataPlane` as an agent's death does, and gives a new one of the same pool. */
  restart(): Promise<PoolDataPlane>;
  dispose(): Promise<void>;
}

const MIB = 1024 * 1024;
export const POOL_CAPACITY_BYTES = 64 * MIB;
const sizeBytes = 8 * MIB;
const legId = 'leg-conform001';
const [volumeId, cardId, otherCardId] = ['vol-conform001', 'card-1', 'card-2'];

const create: PoolStep = { kind: 'create-leg', legId, sizeBytes };
const serve: PoolStep = { kind: 'serve-leg', legId, epoch: 1, holderCardId: cardId };
const stopServing: PoolStep = { kind: 'stop-serving-leg', legId };
const remove: PoolStep = { kind: 'delete-leg', legId };
const fence: PoolStep = { kind: 'fence-leg', legId, fromEpoch: 1, epoch: 2 };

function desired(difference: Partial<DesiredLeg> = {}): DesiredLeg {
  return {
    legId,
    revision: 1,
    operationId: 'op-conform001',
    changeId: 'chg-conform001',
    volumeId,
    sizeBytes,
    epoch: 1,
    holder: { cardId, sealingKey: `X${'A'.repeat(55)}` },
    role: 'preparing',
    tombstone: false,
    trace: {},
    ...difference,
  };
}

const context: PoolStepContext = { desired: desired(), signal: new AbortController().signal };

/** What a leg takes is as of the file system's last commit, which may come between two looks. */
function withoutSpace(leg: ObservedLeg | null) {
  if (leg === null) return null;
  const { allocatedBytes: _a, uncompressedBytes: _u, ...rest } = leg;
  return rest;
}

/** One pool, made anew for each test. */
class PoolUnderTest {
  readonly fixture: PoolFixture;
  dataPlane: PoolDataPlane;

  constructor(fixture: PoolFixture) {
    this.fixture = fixture;
    this.dataPlane = fixture.dataPlane;
  }

  perform(step: PoolStep): Promise<void> {
    return this.dataPlane.perform(step, context);
  }

  /** Does the step twice and gives what is observed; fails when the second time changed anything. */
  async twice(step: PoolStep): Promise<ObservedLeg | null> {
    await this.perform(step);
    const once = await this.dataPlane.observe(step.legId);
    await this.perform(step);
    const again = await this.dataPlane.observe(step.legId);
    deepStrictEqual(withoutSpace(again), withoutSpace(once));
    return again;
  }
}

type Pool = () => PoolUnderTest;

/** The rules of {@link PoolDataPlane}, as tests that every driver passes. Registers a suite; call it from a spec. */
export function poolDataPlaneConformance(name: string, makeFixture: () => Promise<PoolFixture>): void {
  describe(`${name} keeps the rules of a pool's data plane`, () => {
    let made: PoolUnderTest;
    beforeEach(async () => {
      made = new PoolUnderTest(await makeFixture());
    });
    afterEach(async () => {
      await made.fixture.dispose();
    });
    const pool = () => made;
    livesAreLed(pool);
    legsAreCompressed(pool);
    servingIsFoundAgain(pool);
    nothingIsLost(pool);
    holdersAreFenced(pool);
  });
}

function livesAreLed(pool: Pool): void {
  test('a leg that the pool has nothing of is observed as such', async () => {
    expect(await pool().dataPlane.observe(legId)).toBeNull();
    expect(await pool().dataPlane.served(legId)).toBeNull();
    expect(await pool().dataPlane.list()).toEqual([]);
  });

  test('each step of a life, done twice, leaves what doing it once left', async () => {
    expect(await pool().twice(create)).toMatchObject({ legId, volumeId, sizeBytes, epoch: 0, serving: null });
    expect(await pool().twice(serve)).toMatchObject({
      epoch: 1,
      holderCardId: cardId,
      serving: { epoch: 1, holderCardId: cardId },
    });
    expect(await pool().dataPlane.list()).toHaveLength(1);
    expect(await pool().twice(stopServing)).toMatchObject({ sizeBytes, epoch: 1, serving: null });
    expect(await pool().twice(remove)).toBeNull();
    expect(await pool().dataPlane.list()).toEqual([]);
  });

  test('undoing creates and serves leaves nothing, and may be done twice', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    for (const step of [serve, serve, create, create]) await pool().dataPlane.undo(step, context);
    expect(await pool().dataPlane.observe(legId)).toBeNull();
  });

  test('a leg grows, and never shrinks', async () => {
    await pool().perform(create);
    expect(
      await pool().twice({ kind: 'grow-leg', legId, fromSizeBytes: sizeBytes, sizeBytes: 2 * sizeBytes }),
    ).toMatchObject({ sizeBytes: 2 * sizeBytes });
    expect(
      await codeOf(pool().perform({ kind: 'grow-leg', legId, fromSizeBytes: sizeBytes, sizeBytes: sizeBytes + MIB })),
    ).toBe('change-refused');
  });
}

function legsAreCompressed(pool: Pool): void {
  const compressed: PoolStep = { kind: 'create-leg', legId, sizeBytes, compression: 'zstd' };

  test('a leg is compressed where the pool says that it can, and lives like any other', async () => {
    const { capabilities } = await pool().dataPlane.discover();
    if (!capabilities.has.some(({ name }) => name === 'compress-leg')) return;
    const made = await pool().twice(compressed);
    expect(made).toMatchObject({ sizeBytes, epoch: 0, serving: null });
    expect(made?.uncompressedBytes).toBeTypeOf('number');
    expect(await pool().twice(serve)).toMatchObject({ serving: { epoch: 1, holderCardId: cardId } });
    await pool().perform(stopServing);
    expect(await pool().twice(remove)).toBeNull();
  });

  test('a leg is not made without the compression that is asked for', async () => {
    const { capabilities } = await pool().dataPlane.discover();
    if (capabilities.has.some(({ name }) => name === 'compress-leg')) return;
    expect(capabilities.lacks.map(({ name }) => name)).toContain('compress-leg');
    expect(await codeOf(pool().perform(compressed))).toBe('missing-capability');
    expect(await pool().dataPlane.list()).toEqual([]);
  });
}

function servingIsFoundAgain(pool: Pool): void {
  test('serving again tells the same address and key', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    const first = await pool().dataPlane.served(legId);
    expect(first).not.toBeNull();
    await pool().perform(serve);
    expect(await pool().dataPlane.served(legId)).toEqual(first);
  });

  test('a pool that starts anew still serves, at the same address with the same key', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    const [observed, served] = [await pool().dataPlane.observe(legId), await pool().dataPlane.served(legId)];
    pool().dataPlane = await pool().fixture.restart();
    expect(await pool().dataPlane.observe(legId)).toEqual(observed);
    expect(await pool().dataPlane.served(legId)).toEqual(served);
  });

  test('what is recorded of a leg is found again, and an old epoch records nothing', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    await pool().dataPlane.record(desired({ role: 'current' }));
    pool().dataPlane = await pool().fixture.restart();
    expect((await pool().dataPlane.observe(legId))?.holderCardId).toBe(cardId);
    await pool().perform(stopServing);
    await pool().perform(fence);
    expect(await codeOf(pool().dataPlane.record(desired({ epoch: 1 })))).toBe('fenced');
  });
}

function nothingIsLost(pool: Pool): void {
  test('a leg that is served is not deleted', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    expect(await codeOf(pool().perform(remove))).toBe('step-failed');
    expect((await pool().dataPlane.observe(legId))?.serving).not.toBeNull();
  });

  test('a leg that is not there is not served', async () => {
    expect(await codeOf(pool().perform(serve))).toBe('step-failed');
  });

  test('a pool gives no more than it has, whether it is used or only promised', async () => {
    await pool().perform({ kind: 'create-leg', legId: 'leg-conform002', sizeBytes: POOL_CAPACITY_BYTES - MIB });
    expect(await codeOf(pool().perform(create))).toBe('pool-full');
    expect(await pool().dataPlane.list()).toHaveLength(1);
  });
}

function holdersAreFenced(pool: Pool): void {
  test('a raised epoch ends the old one for good', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    await pool().perform(stopServing);
    expect(await pool().twice(fence)).toMatchObject({ epoch: 2, holderCardId: null, serving: null });
    expect(await codeOf(pool().perform(serve))).toBe('fenced');
    await pool().perform({ kind: 'serve-leg', legId, epoch: 2, holderCardId: otherCardId });
    expect(await pool().dataPlane.observe(legId)).toMatchObject({
      epoch: 2,
      holderCardId: otherCardId,
      serving: { epoch: 2, holderCardId: otherCardId },
    });
  });

  test('a leg is served to one holder at a time', async () => {
    await pool().perform(create);
    await pool().perform(serve);
    expect(await codeOf(pool().perform({ kind: 'serve-leg', legId, epoch: 1, holderCardId: otherCardId }))).toBe(
      'step-failed',
    );
    expect((await pool().dataPlane.observe(legId))?.serving).toEqual({ epoch: 1, holderCardId: cardId });
  });
}
