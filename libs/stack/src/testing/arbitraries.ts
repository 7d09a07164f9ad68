import type { Capabilities, CapabilityName, Layer, QosLimits } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { legCountOf, legSizeBytes } from '../layers.js';
import type { AddressKind, PlannedStack, PlannedVolume } from '../planned-volume.js';

const MIB = 1024 ** 2;
const names: CapabilityName[] = [
  'swap-live',
  'live-grow',
  'qos',
  'encryption',
  'compression',
  'raid0',
  'raid1',
  'raid5f',
  'safe-read',
  'front-end.nbd',
  'front-end.virtio-blk',
  'front-end.nvme',
  'leg.file',
  'leg.nbd',
  'leg.nvme-tcp',
  'grow-leg',
  'snapshot',
];

/** A card or pool that can do everything, but for what is named. */
export function capable(lacks: { name: CapabilityName; reason: string }[] = []): Capabilities {
  const has = names.filter((name) => !lacks.some((lacking) => lacking.name === name));
  return { has: has.map((name) => ({ name, limits: name === 'encryption' ? { headerBytes: 2_068_480 } : {} })), lacks };
}

export const CARD = 'card-1';
export const VOLUME = 'vol-0000000001';

/** `madeId('leg', 3, 1)`: the second leg of stack generation 3. */
function madeId(prefix: string, generation: number, index: number): string {
  return `${prefix}-${String(generation * 100 + index).padStart(10, '0')}`;
}

export function stackOfLayers(
  stackGeneration: number,
  layers: readonly Layer[],
  sizeBytes: number,
  addressKind: AddressKind = 'file',
): PlannedStack {
  const legs = Array.from({ length: legCountOf(layers) }, (_, index) => ({
    legId: madeId('leg', stackGeneration, index),
    poolId: `pool-${index}`,
    epoch: 1,
    sizeBytes: legSizeBytes(layers, sizeBytes, capable()),
    addressKind,
  }));
  const keyRef = layers.some(({ kind }) => kind === 'encryption') ? madeId('key', stackGeneration, 0) : null;
  return { stackGeneration, layers, keyRef, legs };
}

export function volume(stack: PlannedStack, difference: Partial<PlannedVolume> = {}): PlannedVolume {
  return {
    volumeId: VOLUME,
    sizeBytes: 64 * MIB,
    qos: null,
    export: { protocol: 'nbd', functionId: 'fn-0' },
    stack,
    copyBytesPerSecond: 256 * MIB,
    tombstone: false,
    ...difference,
  };
}

const redundancy: fc.Arbitrary<Layer | null> = fc.oneof(
  fc.constant(null),
  fc.record({ kind: fc.constant('raid1' as const), legCount: fc.constant(2), safeRead: fc.constant(false) }),
  fc.record({ kind: fc.constant('raid1' as const), legCount: fc.constant(3), safeRead: fc.boolean() }),
  fc.record({ kind: fc.constant('raid0' as const), legCount: fc.integer({ min: 2, max: 8 }) }),
  fc.record({ kind: fc.constant('raid5f' as const), legCount: fc.integer({ min: 3, max: 8 }) }),
);

/** The layers of any valid stack. */
export const layersArbitrary: fc.Arbitrary<Layer[]> = fc
  .tuple(fc.boolean(), fc.boolean(), redundancy)
  .map(([compression, encryption, layer]) => [
    ...(compression ? [{ kind: 'compression', algorithm: 'zstd' } as const] : []),
    ...(encryption ? [{ kind: 'encryption', cipher: 'aes-xts-256' } as const] : []),
    ...(layer ? [layer] : []),
  ]);

export const qosArbitrary: fc.Arbitrary<QosLimits | null> = fc.option(
  fc.oneof(
    fc.record({ iopsTotal: fc.integer({ min: 1, max: 100_000 }) }),
    fc.record({
      iopsRead: fc.integer({ min: 1, max: 9 }),
      bytesPerSecondWrite: fc.integer({ min: 4096, max: 9_999_999 }),
    }),
  ),
);

export interface Change {
  readonly from: PlannedVolume;
  readonly to: PlannedVolume;
}

/** Whether a volume can grow on such a stack. */
export const canGrowOn = (layers: readonly Layer[]) => layers.every(({ kind }) => kind === 'encryption');

const addressKindArbitrary: fc.Arbitrary<AddressKind> = fc.constantFrom('file', 'nbd', 'memory');

/**
 * A change of stack, and perhaps of limits, and of size where the new stack can grow: one swap. Also onto the same
 * layers: a move, which gives an encrypted volume a new key.
 */
export const swapArbitrary: fc.Arbitrary<Change> = fc
  .record({
    fromLayers: layersArbitrary,
    otherLayers: layersArbitrary,
    isOther: fc.boolean(),
    addressKinds: fc.tuple(addressKindArbitrary, addressKindArbitrary),
    fromQos: qosArbitrary,
    toQos: qosArbitrary,
    isGrown: fc.boolean(),
  })
  .map(({ fromLayers, otherLayers, isOther, addressKinds: [fromKind, toKind], fromQos, toQos, isGrown }) => {
    const toLayers = isOther ? otherLayers : fromLayers;
    const sizeBytes = (isGrown && canGrowOn(toLayers) ? 128 : 64) * MIB;
    return {
      from: volume(stackOfLayers(1, fromLayers, 64 * MIB, fromKind), { qos: fromQos }),
      to: volume(stackOfLayers(2, toLayers, sizeBytes, toKind), { qos: toQos, sizeBytes }),
    };
  });

/** A change at the head: other limits, and more bytes where the stack can grow. */
export const adjustmentArbitrary: fc.Arbitrary<Change> = fc
  .record({ layers: layersArbitrary, fromQos: qosArbitrary, toQos: qosArbitrary, isGrown: fc.boolean() })
  .map(({ layers, fromQos, toQos, isGrown }) => {
    const sizeBytes = (isGrown && canGrowOn(layers) ? 128 : 64) * MIB;
    return {
      from: volume(stackOfLayers(1, layers, 64 * MIB), { qos: fromQos }),
      to: volume(stackOfLayers(1, layers, sizeBytes), { qos: toQos, sizeBytes }),
    };
  });

export const changeArbitrary: fc.Arbitrary<Change> = fc.oneof(swapArbitrary, adjustmentArbitrary);

/** A volume on overlays upon each other, the youngest on top, the oldest of generation 1. */
function onChain(layersOfEach: readonly (readonly Layer[])[], difference: Partial<PlannedVolume>): PlannedVolume {
  const [stack, ...bases] = layersOfEach
    .map((layers, index) => stackOfLayers(index + 1, layers, 64 * MIB))
    .toReversed();
  if (!stack) throw new Error('a volume has a stack');
  return volume(stack, { ...difference, ...(bases.length === 0 ? {} : { bases }) });
}

/** What is done to overlays: one more on top, the uppermost written back into its base, or all of them made one stack. */
export const overlayArbitrary: fc.Arbitrary<Change & { readonly how: 'take' | 'commit' | 'flatten' }> = fc
  .record({
    chain: fc.array(layersArbitrary, { minLength: 1, maxLength: 3 }),
    flat: layersArbitrary,
    qos: fc.tuple(qosArbitrary, qosArbitrary),
    how: fc.constantFrom('take' as const, 'commit' as const, 'flatten' as const),
  })
  .map(({ chain, flat, qos: [fromQos, toQos], how }) => {
    const lower = onChain(chain, { qos: how === 'take' ? fromQos : toQos });
    const higher = onChain([...chain, chain.at(-1) ?? []], { qos: how === 'take' ? toQos : fromQos });
    if (how === 'take') return { how, from: lower, to: higher };
    if (how === 'commit') return { how, from: higher, to: lower };
    return { how, from: higher, to: volume(stackOfLayers(9, flat, 64 * MIB), { qos: toQos }) };
  });
