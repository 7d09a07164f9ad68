import {
  BLOCK_SIZE_BYTES,
  type Capabilities,
  type CompressionAlgorithm,
  type Layer,
  type LayerKind,
  type Problem,
} from '@flexbso/contracts';
import { type Refusal, problem } from './problems.js';

type Role = 'compression' | 'encryption' | 'redundancy';

const roleOfKind: Readonly<Record<LayerKind, Role>> = {
  compression: 'compression',
  encryption: 'encryption',
  raid0: 'redundancy',
  raid1: 'redundancy',
  raid5f: 'redundancy',
};

/** From the top: the only order in which each layer still does its work. */
const order: readonly Role[] = ['compression', 'encryption', 'redundancy'];

/** A striped array hands out whole strips only; 128 KiB is SPDK's usual strip. */
export const STRIP_BYTES = 128 * 1024;

export type RedundancyLayer = Extract<Layer, { kind: 'raid0' | 'raid1' | 'raid5f' }>;
export function isRedundancy(layer: Layer): layer is RedundancyLayer {
  return roleOfKind[layer.kind] === 'redundancy';
}

/**
 * Whether a stack can exist: at most one layer of each role, in the order compression, encryption, redundancy.
 * Returns null, or `invalid-stack` with the reason and the path of the offending layer.
 */
export function validateStack(layers: readonly Layer[]): Problem | null {
  for (const [index, layer] of layers.entries()) {
    const reason = orderProblem(layers, index) ?? layerProblem(layer) ?? beneathProblem(layers, layer);
    if (reason) return invalid(index, reason);
  }
  return null;
}

function orderProblem(layers: readonly Layer[], index: number): string | null {
  const layer = layers[index];
  const above = layers[index - 1];
  if (!layer || !above) return null;
  const role = roleOfKind[layer.kind];
  if (layers.slice(0, index).some((other) => roleOfKind[other.kind] === role))
    return `a stack has at most one ${role} layer; remove one`;
  if (order.indexOf(role) > order.indexOf(roleOfKind[above.kind])) return null;
  if (role === 'compression' && layers.slice(0, index).some((other) => other.kind === 'encryption')) {
    return 'compression beneath encryption saves nothing, since encrypted data does not shrink; put compression above encryption';
  }
  return `${layer.kind} is beneath ${above.kind}; the order from the top is ${order.join(', ')}`;
}

function layerProblem(layer: Layer): string | null {
  // Two legs that differ show that one is wrong, not which: a vote needs a majority.
  if (layer.kind === 'raid1' && layer.safeRead && layer.legCount < 3)
    return `safeRead needs a majority of legs: set legCount to 3 (it is ${layer.legCount})`;
  return null;
}

/** What pools do is beneath all that the card does. */
function beneathProblem(layers: readonly Layer[], layer: Layer): string | null {
  if (layer.kind !== 'compression' || layer.by !== 'pools' || !layers.some(({ kind }) => kind === 'encryption'))
    return null;
  return 'compression beneath encryption saves nothing, since encrypted data does not shrink, and pools compress beneath all that the card does; leave one of the two out, or take a card that compresses by itself';
}

/** Who compresses, and how; null: nobody. */
export function compressionOf(layers: readonly Layer[]): Extract<Layer, { kind: 'compression' }> | null {
  return layers.find((layer) => layer.kind === 'compression') ?? null;
}

/** How the pools compress the legs of a stack; null: they do not. */
export function legCompressionOf(layers: readonly Layer[]): CompressionAlgorithm | null {
  const compression = compressionOf(layers);
  return compression?.by === 'pools' ? compression.algorithm : null;
}

/** The layers that the card builds: all but what the pools do. */
export function cardLayersOf(layers: readonly Layer[]): Layer[] {
  return layers.filter((layer) => layer.kind !== 'compression' || layer.by !== 'pools');
}

function invalid(index: number, reason: string): Refusal {
  return {
    ...problem('invalid-stack', `stack.layers.${index}: ${reason}`),
    errors: [{ path: `stack.layers.${index}`, message: reason }],
  };
}

/**
 * Whether a card would build a layer that has a fixed size: nothing above a mirror, a stripe or compression can be told
 * of more bytes. What pools compress grows as any leg does.
 */
export function isRigid(layers: readonly Layer[]): boolean {
  return cardLayersOf(layers).some(({ kind }) => kind !== 'encryption');
}

/** Whether a stack keeps all that is on it when one of its legs is lost. */
export function survivesALostLeg(layers: readonly Layer[]): boolean {
  return layers.some(({ kind }) => kind === 'raid1' || kind === 'raid5f');
}

/** How many legs a stack stands on; 1 without redundancy. */
export function legCountOf(layers: readonly Layer[]): number {
  return layers.find(isRedundancy)?.legCount ?? 1;
}

/**
 * Exact size in bytes of each leg of a stack that is to carry `volumeSizeBytes`.
 * `capabilities` are the card's: the header of the encryption layer is its limit `headerBytes` (absent: it writes none).
 * Compression is reserved at full size: what it saves is measured, never promised.
 */
export function legSizeBytes(layers: readonly Layer[], volumeSizeBytes: number, capabilities: Capabilities): number {
  const header = layers.some(({ kind }) => kind === 'encryption') ? headerBytesOf(capabilities) : 0;
  const carried = volumeSizeBytes + header;
  const redundancy = layers.find(isRedundancy);
  // A mirrored or plain leg is exactly as large as what it carries: a copy's target must have the source's size.
  if (!redundancy || redundancy.kind === 'raid1') return carried;
  const dataLegs = redundancy.kind === 'raid5f' ? redundancy.legCount - 1 : redundancy.legCount;
  return Math.ceil(carried / dataLegs / STRIP_BYTES) * STRIP_BYTES;
}

function headerBytesOf(capabilities: Capabilities): number {
  const header = capabilities.has.find(({ name }) => name === 'encryption')?.limits['headerBytes'];
  return typeof header === 'number' ? Math.ceil(header / BLOCK_SIZE_BYTES) * BLOCK_SIZE_BYTES : 0;
}
