import type { ObservedVolume } from '@flexbso/contracts';
import { describe as suite, expect, it } from 'vitest';
import {
  type CardPlanInput,
  type PlannedVolume,
  applyCardStep,
  describe,
  expectedObservation,
  isApplied,
  nothingObserved,
  planCard,
  plannedVolumeOf,
} from './index.js';
import { CARD, VOLUME, capable, stackOfLayers, volume } from './testing/arbitraries.js';

const MIB = 1024 ** 2;
const SIZE = 64 * MIB;
const encrypted = { kind: 'encryption', cipher: 'aes-xts-256' } as const;
const mirror = { kind: 'raid1', legCount: 2, safeRead: false } as const;

function plan(observed: ObservedVolume, desired: PlannedVolume, difference: Partial<CardPlanInput> = {}) {
  return planCard({
    cardId: CARD,
    observed,
    desired,
    appliedStackGeneration: 1,
    capabilities: capable(),
    ...difference,
  });
}
function kindsOf(observed: ObservedVolume, desired: PlannedVolume, difference: Partial<CardPlanInput> = {}): string[] {
  const result = plan(observed, desired, difference);
  return result.ok ? result.steps.map(({ step }) => step.kind) : [`refused: ${result.problem.code}`];
}
function refusalOf(observed: ObservedVolume, desired: PlannedVolume, difference: Partial<CardPlanInput> = {}): string {
  const result = plan(observed, desired, difference);
  return result.ok ? 'planned' : `${result.problem.code}: ${result.problem.detail}`;
}

suite('the steps of a card', () => {
  it('build a new volume from the legs up', () => {
    const wanted = volume(stackOfLayers(1, [{ kind: 'compression', algorithm: 'zstd' }, encrypted, mirror], SIZE));
    expect(kindsOf(nothingObserved(VOLUME), wanted, { appliedStackGeneration: null })).toEqual([
      'start-data-plane',
      'open-leg',
      'open-leg',
      'build-redundancy',
      'format-encryption',
      'open-encryption',
      'build-compression',
      'build-head',
      'export-volume',
    ]);
  });

  it('show no more of an encryption layer than the volume has, whatever a growth that was taken back has left of its leg', () => {
    const stack = stackOfLayers(1, [encrypted], SIZE);
    const legs = stack.legs.map((leg) => ({ ...leg, sizeBytes: leg.sizeBytes + SIZE }));
    const result = plan(nothingObserved(VOLUME), volume({ ...stack, legs }));
    const steps = result.ok ? result.steps.map(({ step }) => step) : [];
    expect(steps).toMatchObject([
      { kind: 'start-data-plane' },
      { kind: 'open-leg', sizeBytes: legs[0]?.sizeBytes },
      { kind: 'open-encryption', sizeBytes: SIZE },
      { kind: 'build-head', sizeBytes: SIZE },
      { kind: 'export-volume' },
    ]);
  });

  it('are refused for a mirror over fewer legs than the card keeps safe, and the refusal says how many it takes', () => {
    const has = capable().has.map((one) => (one.name === 'raid1' ? { ...one, limits: { minLegCount: 3 } } : one));
    const capabilities = { has, lacks: [] };
    const from = expectedObservation(volume(stackOfLayers(1, [], SIZE)));
    const wanted = (legCount: number) => volume(stackOfLayers(2, [{ ...mirror, legCount }], SIZE));
    expect(refusalOf(from, wanted(2), { capabilities })).toContain(
      'missing-capability: card card-1 mirrors over 3 legs',
    );
    expect(refusalOf(from, wanted(3), { capabilities })).toBe('planned');
  });

  it('are one call for other limits, and say what they were', () => {
    const from = volume(stackOfLayers(1, [], SIZE), { qos: { iopsTotal: 100 } });
    const result = plan(expectedObservation(from), { ...from, qos: { iopsTotal: 300 } });
    expect(result.ok && result.steps.map(({ step }) => describe(step))).toEqual([
      'set limits: iopsTotal 300 (were: iopsTotal 100)',
    ]);
  });

  it('widen the limits for the copy alone, and set the wanted ones right after the cut-over', () => {
    const from = volume(stackOfLayers(1, [], SIZE), { qos: { iopsTotal: 100 } });
    const to = volume(stackOfLayers(2, [encrypted], SIZE), { qos: { iopsTotal: 300 } });
    expect(kindsOf(expectedObservation(from), to)).toEqual([
      'open-leg',
      'format-encryption',
      'open-encryption',
      'widen-limits',
      'copy',
      'cut-over',
      'restore-limits',
      'close-stack',
    ]);
    expect(kindsOf(expectedObservation({ ...from, qos: null }), to)).toEqual([
      'open-leg',
      'format-encryption',
      'open-encryption',
      'copy',
      'cut-over',
      'set-limits',
      'close-stack',
    ]);
  });

  it('start half-built stacks anew when what is open of them is not the wanted', () => {
    const from = volume(stackOfLayers(1, [], SIZE));
    const to = volume(stackOfLayers(2, [encrypted, mirror], SIZE));
    const strange = { stackGeneration: 2, legs: [{ legId: 'leg-0000000777', epoch: 1 }], layers: [], keyRef: null };
    const seen = { ...expectedObservation(from), stacks: [...expectedObservation(from).stacks, strange] };
    expect(kindsOf(seen, to).slice(0, 3)).toEqual(['close-stack', 'open-leg', 'open-leg']);
  });

  it('rebuild the old stack, and never show the new, when the data plane was lost before the cut-over', () => {
    const from = volume(stackOfLayers(1, [encrypted], SIZE));
    const to = volume(stackOfLayers(2, [], SIZE));
    expect(kindsOf(nothingObserved(VOLUME), from)).toEqual([
      'start-data-plane',
      'open-leg',
      'open-encryption',
      'build-head',
      'export-volume',
    ]);
    expect(refusalOf(nothingObserved(VOLUME), to)).toContain(
      'needs-operator: volume vol-0000000001: nothing runs and stack 1 carried the guest',
    );
    expect(kindsOf(nothingObserved(VOLUME), to, { appliedStackGeneration: 2 })).toContain('build-head');
  });

  it('stop for an operator when the cut-over is recorded and no healthy copy leads there', () => {
    const from = volume(stackOfLayers(1, [], SIZE));
    const to = volume(stackOfLayers(2, [], SIZE));
    const ready = readyToCutOver(from, to);
    expect(kindsOf(ready, to, { appliedStackGeneration: 2 })).toEqual(['cut-over', 'close-stack']);
    const failed: ObservedVolume = { ...ready, copy: ready.copy && { ...ready.copy, state: 'failed' } };
    expect(refusalOf(failed, to, { appliedStackGeneration: 2 })).toContain('needs-operator');
  });

  it('end an abandoned copy before its room in the limits goes', () => {
    const from = volume(stackOfLayers(1, [], SIZE), { qos: { iopsTotal: 100 } });
    expect(kindsOf(readyToCutOver(from, volume(stackOfLayers(2, [], SIZE))), from)).toEqual([
      'close-stack',
      'restore-limits',
    ]);
  });

  it('let go of what a concluded copy left, and take the record alone as nothing', () => {
    const wanted = volume(stackOfLayers(2, [], SIZE));
    const settled = expectedObservation(wanted);
    const copy = { toStackGeneration: 2, state: 'done', doneBytes: 1, totalBytes: 1, error: null } as const;
    const old = { stackGeneration: 1, legs: [{ legId: 'leg-0000000100', epoch: 1 }], layers: [], keyRef: null };
    expect(kindsOf({ ...settled, copy }, wanted, { appliedStackGeneration: 2 })).toEqual([]);
    expect(
      kindsOf({ ...settled, copy, stacks: [old, ...settled.stacks] }, wanted, { appliedStackGeneration: 2 }),
    ).toEqual(['close-stack']);
  });

  it('swap to a larger remote leg through a window, and grow when the guest is carried by it', () => {
    const from = volume(stackOfLayers(1, [], SIZE, 'nbd'), { qos: { iopsTotal: 100 } });
    const to = volume(stackOfLayers(2, [encrypted], 2 * SIZE, 'nbd'), { sizeBytes: 2 * SIZE, qos: from.qos });
    const result = plan(expectedObservation(from), to);
    expect(result.ok && result.steps.map(({ step, undo }) => [step.kind, undo])).toEqual([
      ['open-leg', 'close-leg'],
      ['format-encryption', null],
      ['open-encryption', 'close-encryption'],
      ['build-window', 'remove-window'],
      ['widen-limits', 'restore-limits'],
      ['copy', 'cancel-copy'],
      ['cut-over', null],
      ['restore-limits', null],
      ['grow-head', null],
      ['close-stack', null],
    ]);
    expect(result.ok && result.steps.map(({ step }) => step)).toEqual(
      expect.arrayContaining([
        { kind: 'build-window', stackGeneration: 2, sizeBytes: SIZE },
        expect.objectContaining({ kind: 'copy', bytes: SIZE }),
        { kind: 'grow-head', fromSizeBytes: SIZE, sizeBytes: 2 * SIZE, endsWindow: true },
      ]),
    );
  });

  it('grow again over a window whose guest may not have been told, and need no window after a reboot', () => {
    const wanted = volume(stackOfLayers(2, [], 2 * SIZE, 'nbd'), { sizeBytes: 2 * SIZE });
    const settled = expectedObservation(wanted);
    const stacks = settled.stacks.map((stack) => ({ ...stack, windowBytes: 2 * SIZE }));
    expect(isApplied({ ...settled, stacks }, wanted)).toBe(false);
    expect(kindsOf({ ...settled, stacks }, wanted, { appliedStackGeneration: 2 })).toEqual(['grow-head']);
    expect(kindsOf(nothingObserved(VOLUME), wanted, { appliedStackGeneration: 2 })).toEqual([
      'start-data-plane',
      'open-leg',
      'build-head',
      'export-volume',
    ]);
  });

  it('close a new stack whose window is not the one that is needed, with its window, and build it again', () => {
    const from = volume(stackOfLayers(1, [], SIZE));
    const to = volume(stackOfLayers(2, [], 2 * SIZE), { sizeBytes: 2 * SIZE });
    const narrow = { stackGeneration: 2, legs: [{ legId: 'leg-0000000200', epoch: 1 }], layers: [], keyRef: null };
    const seen = expectedObservation(from);
    const stacks = [...seen.stacks, { ...narrow, windowBytes: SIZE / 2 }];
    const result = plan({ ...seen, stacks }, to);
    expect(result.ok && result.steps[0]?.step).toMatchObject({ kind: 'close-stack', windowBytes: SIZE / 2 });
    expect(kindsOf({ ...seen, stacks }, to).slice(1, 4)).toEqual(['open-leg', 'build-window', 'copy']);
    expect(kindsOf({ ...seen, stacks: [...seen.stacks, narrow] }, to)[0]).toBe('build-window');
  });

  it('take away a volume that is to go, whatever state it is in', () => {
    const wanted = volume(stackOfLayers(1, [], SIZE), { tombstone: true });
    const seen = readyToCutOver({ ...wanted, tombstone: false }, volume(stackOfLayers(2, [], SIZE)));
    expect(kindsOf(seen, wanted)).toEqual(['unexport-volume', 'close-stack', 'stop-data-plane']);
  });
});

suite('a card refuses to plan', () => {
  const plain = volume(stackOfLayers(1, [], SIZE));

  it('what shrinks a volume', () => {
    expect(refusalOf(expectedObservation(plain), { ...plain, sizeBytes: SIZE / 2 })).toContain(
      'change-refused: volume vol-0000000001 has 67108864 bytes and cannot shrink',
    );
  });

  it('growth of a stack that has a fixed size, with the reason', () => {
    const mirrored = volume(stackOfLayers(1, [mirror], SIZE));
    const remote = volume(stackOfLayers(1, [], SIZE, 'nbd'));
    expect(refusalOf(expectedObservation(mirrored), { ...mirrored, sizeBytes: 2 * SIZE })).toContain(
      'its raid1 layer has a fixed size',
    );
    expect(refusalOf(expectedObservation(remote), { ...remote, sizeBytes: 2 * SIZE })).toContain(
      'reached over the network',
    );
  });

  it('growth on a card that cannot tell the guest', () => {
    const capabilities = capable([{ name: 'live-grow', reason: 'qemu 7.2 never tells the guest; 10.0 does' }]);
    expect(refusalOf(expectedObservation(plain), { ...plain, sizeBytes: 2 * SIZE }, { capabilities })).toContain(
      'live-grow (qemu 7.2 never tells the guest; 10.0 does)',
    );
  });

  it('growth by a swap onto a stack of fixed size, and to fewer bytes', () => {
    const to = volume(stackOfLayers(2, [mirror], 2 * SIZE), { sizeBytes: 2 * SIZE });
    expect(refusalOf(expectedObservation(plain), to)).toContain('its raid1 layer has a fixed size');
    const less = volume(stackOfLayers(2, [], SIZE / 2), { sizeBytes: SIZE / 2 });
    expect(refusalOf(expectedObservation(plain), less)).toContain('cannot shrink');
  });

  it('growth by a swap where the guest cannot be told, since it could not be taken back any more', () => {
    const to = volume(stackOfLayers(2, [], 2 * SIZE, 'nbd'), { sizeBytes: 2 * SIZE });
    const without = capable([{ name: 'live-grow', reason: 'qemu 7.2 never tells the guest; 10.0 does' }]);
    expect(refusalOf(expectedObservation(plain), to, { capabilities: without })).toContain('live-grow (qemu 7.2');
    const { has } = capable();
    const limited = has.map((one) => (one.name === 'live-grow' ? { ...one, limits: { frontEnd: 'virtio-blk' } } : one));
    const capabilities = { has: limited, lacks: [] };
    expect(refusalOf(expectedObservation(plain), to, { capabilities })).toContain(
      'missing-capability: card card-1 can tell a guest of a new size over virtio-blk only',
    );
    const shown = { export: { protocol: 'virtio-blk', functionId: 'fn-0' } } as const;
    expect(refusalOf(expectedObservation({ ...plain, ...shown }), { ...to, ...shown }, { capabilities })).toBe(
      'planned',
    );
  });

  it('a swap on a card that has none, and limits on a card without them', () => {
    const to = volume(stackOfLayers(2, [], SIZE));
    const fixed = capable([{ name: 'swap-live', reason: 'fully offloaded: no layer runs on the card' }]);
    const unlimited = capable([{ name: 'qos', reason: 'no throttle' }]);
    expect(refusalOf(expectedObservation(plain), to, { capabilities: fixed })).toContain('swap-live (fully offloaded');
    expect(
      refusalOf(expectedObservation(plain), { ...plain, qos: { iopsTotal: 1 } }, { capabilities: unlimited }),
    ).toContain('qos (no throttle)');
  });

  it('a stack whose legs or key do not fit its layers', () => {
    const to = volume({ ...stackOfLayers(2, [], SIZE), layers: [mirror] });
    expect(refusalOf(expectedObservation(plain), to)).toContain('invalid-stack');
    expect(
      refusalOf(expectedObservation(plain), volume({ ...stackOfLayers(2, [encrypted], SIZE), keyRef: null })),
    ).toContain('invalid-stack');
  });

  it('while a copy is between two states, and asks to look again', () => {
    const seen = readyToCutOver(plain, volume(stackOfLayers(2, [], SIZE)));
    const result = plan({ ...seen, copy: seen.copy && { ...seen.copy, state: 'in-transition' } }, plain);
    expect(!result.ok && result.problem.facts).toEqual({ lookAgain: true });
  });
});

it('plans from desired state without its addresses and keys', () => {
  const stack = stackOfLayers(1, [encrypted], SIZE);
  const wanted = volume(stack);
  const { bases: _none, ...flat } = wanted;
  const { keyRef, legs, ...rest } = stack;
  if (keyRef === null) throw new Error('an encrypted stack has a key');
  const desired = {
    ...flat,
    revision: 1,
    generation: 1,
    operationId: 'op-0000000001',
    changeId: 'chg-0000000001',
    origin: 'person' as const,
    qos: null,
    export: { ...wanted.export },
    trace: {},
    plan: { digest: '0'.repeat(64), cutOver: false, destroys: [] },
    stack: {
      ...rest,
      layers: [...stack.layers],
      encryptionKey: { keyRef, sealedKey: { from: 'X', sealed: '' } },
      legs: legs.map(({ legId, poolId, epoch, sizeBytes }) => ({
        legId,
        poolId,
        epoch,
        sizeBytes,
        address: { kind: 'file' as const, path: '/pool/leg' },
        access: null,
      })),
    },
  };
  expect(plannedVolumeOf(desired)).toEqual(wanted);
});

/** What is observed just before the cut-over of a swap. */
function readyToCutOver(from: PlannedVolume, to: PlannedVolume): ObservedVolume {
  const result = plan(expectedObservation(from), to);
  if (!result.ok) throw new Error(result.problem.detail);
  const cutOver = result.steps.findIndex((step) => step.cutOver);
  return result.steps
    .slice(0, cutOver)
    .reduce((seen, { step }) => applyCardStep(seen, step), expectedObservation(from));
}
