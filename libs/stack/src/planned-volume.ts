import type {
  CompressionAlgorithm,
  DesiredStack,
  DesiredVolume,
  Layer,
  LegAddress,
  Protocol,
  QosLimits,
} from '@flexbso/contracts';
import { cardLayersOf } from './layers.js';

/** How a card reaches a leg; what `LegAddress` is once the pool serves it. */
export type AddressKind = LegAddress['kind'];

export interface PlannedLeg {
  readonly legId: string;
  readonly poolId: string;
  readonly epoch: number;
  /** Exact size on its pool, the layers' headers included. */
  readonly sizeBytes: number;
  readonly addressKind: AddressKind;
  /** How its pool compresses it. What a card does depends on it in nothing: there it is left out. */
  readonly compression?: CompressionAlgorithm;
}

export interface PlannedStack {
  readonly stackGeneration: number;
  /** What the card builds, from the top; beneath the last are the legs. */
  readonly layers: readonly Layer[];
  /** Set exactly when there is an encryption layer. */
  readonly keyRef: string | null;
  readonly legs: readonly PlannedLeg[];
}

/**
 * What a card is to make of a volume, as far as a plan depends on it: no address, no key, no revision.
 * So the scheduler plans before a leg is served, and the card gets the same steps from its desired state.
 */
export interface PlannedVolume {
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly qos: QosLimits | null;
  readonly export: { readonly protocol: Protocol; readonly functionId: string };
  readonly stack: PlannedStack;
  /** The stacks beneath it, the nearest first, where it is an overlay. Left out: none. */
  readonly bases?: readonly PlannedStack[];
  readonly copyBytesPerSecond: number;
  /** True: limits that differ are set before the copy goes on, not after the cut-over. */
  readonly limitsAtOnce?: boolean;
  /** True: the volume is to go. */
  readonly tombstone: boolean;
  /** No card has anything of it: its legs lie on their pools. Never of what a card is to make. */
  readonly detached?: true;
  /** With a tombstone: the card that carries it now. What runs here is ended with its guest attached. */
  readonly movedTo?: string;
}

/** The part of a desired volume that plans are made of. */
export function plannedVolumeOf(desired: DesiredVolume): PlannedVolume {
  return {
    volumeId: desired.volumeId,
    sizeBytes: desired.sizeBytes,
    qos: desired.qos,
    export: desired.export,
    stack: plannedStackOf(desired.stack),
    ...(desired.bases === undefined ? {} : { bases: desired.bases.map(plannedStackOf) }),
    copyBytesPerSecond: desired.copyBytesPerSecond,
    tombstone: desired.tombstone,
    ...(desired.amends === undefined ? {} : { limitsAtOnce: true }),
    ...(desired.movedTo === undefined ? {} : { movedTo: desired.movedTo }),
  };
}

function plannedStackOf(stack: DesiredStack): PlannedStack {
  return {
    stackGeneration: stack.stackGeneration,
    layers: cardLayersOf(stack.layers),
    keyRef: stack.encryptionKey?.keyRef ?? null,
    legs: stack.legs.map(({ legId, poolId, epoch, sizeBytes, address }) => ({
      legId,
      poolId,
      epoch,
      sizeBytes,
      addressKind: address.kind,
    })),
  };
}
