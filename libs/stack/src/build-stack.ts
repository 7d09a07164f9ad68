import type { CardStep, Layer, ObservedStack } from '@flexbso/contracts';
import { isRedundancy } from './layers.js';
import { sameLayers } from './observation.js';
import type { ChainLink } from './overlay.js';

/** What is already open of the wanted stack, if it can be built on. */
interface Begun {
  readonly legIds: ReadonlySet<string>;
  readonly layerCount: number;
}

const nothingBegun: Begun = { legIds: new Set(), layerCount: 0 };

/** Whether what is open of a stack is a lower part of the wanted one, so that the rest can be built on it. */
export function isPartOf(observed: ObservedStack, { stack: wanted, baseStackGeneration }: ChainLink): boolean {
  const layers = wanted.layers.slice(wanted.layers.length - observed.layers.length);
  const isEncryptionOpen = observed.layers.some(({ kind }) => kind === 'encryption');
  const isOverlayOpen = observed.baseStackGeneration !== undefined;
  return (
    observed.layers.length <= wanted.layers.length &&
    sameLayers(observed.layers, layers) &&
    observed.legs.every(({ legId, epoch }) => wanted.legs.some((leg) => leg.legId === legId && leg.epoch === epoch)) &&
    // A layer over fewer legs than wanted is another layer.
    ((observed.layers.length === 0 && !isOverlayOpen) || observed.legs.length === wanted.legs.length) &&
    // An overlay is the uppermost: whatever is beneath it is there.
    (!isOverlayOpen ||
      (observed.baseStackGeneration === baseStackGeneration && observed.layers.length === wanted.layers.length)) &&
    observed.keyRef === (isEncryptionOpen ? wanted.keyRef : null)
  );
}

/**
/**
 * Steps that open what is missing of the wanted stack, from the legs up. `format`: whether encryption header and overlay
 * are still to be written; false for a stack that has ever carried the guest. `sizeBytes` is the volume's. `legBytes`: as
 * much as a leg has to hold; what a growth that was taken back has left beyond is not shown.
 */
export function buildSteps(
  observed: ObservedStack | undefined,
  link: ChainLink,
  how: { readonly format: boolean; readonly sizeBytes: number; readonly legBytes: number },
): CardStep[] {
  const { format, legBytes } = how;
  const wanted = link.stack;
  const begun = observed
    ? { legIds: new Set(observed.legs.map(({ legId }) => legId)), layerCount: observed.layers.length }
    : nothingBegun;
  const { stackGeneration } = wanted;
  const legs = wanted.legs
    .filter(({ legId }) => !begun.legIds.has(legId))
    .map(({ legId, epoch, sizeBytes }): CardStep => ({
      kind: 'open-leg',
      stackGeneration,
      legId,
      epoch,
      sizeBytes: Math.min(sizeBytes, legBytes),
    }));
  const missing = wanted.layers.slice(0, wanted.layers.length - begun.layerCount).toReversed();
  const overlay = observed?.baseStackGeneration === undefined ? overlaySteps(link, format, how.sizeBytes) : [];
  return [...legs, ...missing.flatMap((layer) => layerSteps(layer, link, how)), ...overlay];
}

function overlaySteps({ stack, baseStackGeneration }: ChainLink, format: boolean, sizeBytes: number): CardStep[] {
  if (baseStackGeneration === null) return [];
  const { stackGeneration } = stack;
  const legIds = stack.legs.map(({ legId }) => legId);
  const open: CardStep = { kind: 'build-overlay', stackGeneration, baseStackGeneration };
  return format ? [{ kind: 'format-overlay', stackGeneration, sizeBytes, legIds }, open] : [open];
}

function layerSteps(
  layer: Layer,
  { stack, baseStackGeneration }: ChainLink,
  { format, sizeBytes }: { readonly format: boolean; readonly sizeBytes: number },
): CardStep[] {
  const { stackGeneration, keyRef } = stack;
  const legIds = stack.legs.map(({ legId }) => legId);
  if (isRedundancy(layer)) return [{ kind: 'build-redundancy', stackGeneration, layer, legIds }];
  if (layer.kind === 'compression') return [{ kind: 'build-compression', stackGeneration, layer }];
  // Judged before: a stack with encryption and no key is refused, see `stackProblem`.
  if (keyRef === null) return [];
  const shown = baseStackGeneration === null ? { sizeBytes } : {};
  const open: CardStep = { kind: 'open-encryption', stackGeneration, keyRef, ...shown };
  return format ? [{ kind: 'format-encryption', stackGeneration, keyRef, legIds }, open] : [open];
}

/** The step that closes all that is open of a stack, named in an order that does not depend on the data plane's. */
export function closeStep(stack: ObservedStack): CardStep {
  const legs = stack.legs.toSorted((left, right) => (left.legId < right.legId ? -1 : 1));
  return {
    kind: 'close-stack',
    stackGeneration: stack.stackGeneration,
    legIds: legs.map(({ legId }) => legId),
    keyRef: stack.keyRef,
    legEpochs: legs.map(({ epoch }) => epoch),
    layers: stack.layers,
    ...(stack.windowBytes === undefined ? {} : { windowBytes: stack.windowBytes }),
    ...(stack.baseStackGeneration === undefined ? {} : { baseStackGeneration: stack.baseStackGeneration }),
  };
}
