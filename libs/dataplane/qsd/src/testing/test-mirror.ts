import { readFile } from 'node:fs/promises';
import type { CardStep, DesiredCardLeg, Layer } from '@flexbso/contracts';
import { desiredLeg, type QsdSite } from './qsd-site.js';
import { MIB, type TestVolume } from './test-volume.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

export const mirrorOf = (safeRead: boolean) => ({ kind: 'raid1', legCount: 3, safeRead }) as const satisfies Layer;

export const openLegs = (stackGeneration: number, legs: readonly DesiredCardLeg[]): CardStep[] =>
  legs.map(({ legId, epoch, sizeBytes }) => ({ kind: 'open-leg', stackGeneration, legId, epoch, sizeBytes }));

/** The steps of opening a mirror, up to where a head or a copy stands on it. */
export const buildMirror = (stackGeneration: number, legs: readonly DesiredCardLeg[], layer: Layer): CardStep[] => [
  ...openLegs(stackGeneration, legs),
  { kind: 'build-redundancy', stackGeneration, layer, legIds: legs.map(({ legId }) => legId) },
];

/** Has what was just built take the guest over from the generation before. */
export const carriedBy = (volume: TestVolume, stackGeneration: number): CardStep[] => [
  volume.copy(stackGeneration, 256 * MIB),
  volume.cutOver(stackGeneration),
  { kind: 'close-stack', stackGeneration: stackGeneration - 1, legIds: [], keyRef: null },
];

/** How a volume that is built from its first stack on is shown to its guest. */
export const shownFirst = (sizeBytes: number): CardStep[] => [
  { kind: 'build-head', stackGeneration: 1, sizeBytes, qos: null },
  { kind: 'export-volume', protocol: 'nbd', functionId: 'fn-1' },
];

/** One in the host and two on the network, whose ids no other three of the volume have. */
export async function addThreeLegs(
  volume: TestVolume,
  isEncrypted = false,
): Promise<[DesiredCardLeg, DesiredCardLeg, DesiredCardLeg]> {
  const legId = () => `leg-000000000${LETTERS[volume.legs.length]}`;
  return [
    await volume.addLeg('host', legId(), isEncrypted),
    await volume.addLeg('network', legId(), isEncrypted),
    await volume.addLeg('network', legId(), isEncrypted),
  ];
}

export async function firstMib(site: QsdSite, legId: string): Promise<Buffer> {
  return (await readFile(site.legFile(legId))).subarray(0, MIB);
}

/** Of a leg whose server was killed. */
export async function serveAgain(site: QsdSite, { legId, epoch, sizeBytes }: DesiredCardLeg): Promise<void> {
  const context = { desired: desiredLeg(legId, sizeBytes), signal: new AbortController().signal };
  await site.networkPool.perform({ kind: 'serve-leg', legId, epoch, holderCardId: 'card-1' }, context);
}
