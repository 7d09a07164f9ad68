import { BLOCK_SIZE_BYTES, type Capabilities, type DesiredStack, type DesiredVolume } from '@flexbso/contracts';
import type { PlannedStack, PlannedVolume } from './planned-volume.js';

/** A stack with the one that it is an overlay on; null: it is none, and holds everything itself. */
export interface ChainLink {
  readonly stack: PlannedStack;
  readonly baseStackGeneration: number | null;
}

/** The wanted stack and those beneath it, the uppermost first. */
export function chainOf({ stack, bases = [] }: Pick<PlannedVolume, 'stack' | 'bases'>): PlannedStack[] {
  return [stack, ...bases];
}

export function linksOf(volume: Pick<PlannedVolume, 'stack' | 'bases'>): ChainLink[] {
  const chain = chainOf(volume);
  return chain.map((stack, index) => ({ stack, baseStackGeneration: chain[index + 1]?.stackGeneration ?? null }));
}

/** The same of what a card was given. */
export function desiredStacks({ stack, bases = [] }: Pick<DesiredVolume, 'stack' | 'bases'>): DesiredStack[] {
  return [stack, ...bases];
}

const GIB = 1024 ** 3;

/**
 * What an overlay of a volume may come to take when all of it is written, its own tables included: what it stands on is
 * made so large at once, since it never grows. The card's capability `snapshot` says what the tables take at most, by its
 * limits `fixedBytes` and `bytesPerGib`.
 */
export function overlayBytes(volumeSizeBytes: number, capabilities: Capabilities): number {
  const limits = capabilities.has.find(({ name }) => name === 'snapshot')?.limits ?? {};
  const [fixed, perGib] = [limits['fixedBytes'], limits['bytesPerGib']].map((one) =>
    typeof one === 'number' ? one : 0,
  );
  const bytes = volumeSizeBytes + (fixed ?? 0) + Math.ceil(volumeSizeBytes / GIB) * (perGib ?? 0);
  return Math.ceil(bytes / BLOCK_SIZE_BYTES) * BLOCK_SIZE_BYTES;
}
