import type { CardStep, Layer, ObservedStack } from '@flexbso/contracts';
import { isRedundancy } from './layers.js';
import { sameLayers } from './observation.js';
import type { PlannedStack } from './planned-volume.js';

/** What is already open of the wanted stack, if it can be built on. */
interface Begun {
  readonly legIds: ReadonlySet<string>;
  readonly layerCount: number;
}

const nothingBegun: Begun = { legIds: new Set(), layerCount: 0 };

/** Whether what is open of a stack is a lower part of the wanted one, so that the rest can be built on it. */
export function isPartOf(observed: ObservedStack, wanted: PlannedStack): boolean {
  const layers = wanted.layers.slice(wanted.layers.length - observed.layers.length);
  const isEncryptionOpen = observed.layers.some(({ kind }) => kind === 'encryption');
  return (
    observed.layers.length <= wanted.layers.length &&
    sameLayers(observed.layers, layers) &&
    observed.legs.every(({ legId, epoch }) => wanted.legs.some((leg) => leg.legId === legId && leg.epoch === epoch)) &&
    // A layer over fewer legs than wanted is another layer.
    (observed.layers.length === 0 || observed.legs.length === wanted.legs.length) &&
    observed.keyRef === (isEncryptionOpen ? wanted.keyRef : null)
  );
}

/**
 * Steps that open what is missing of the wanted stack, from the legs up. `format`: whether the encryption
 * header is still to be written; false for a stack that has ever carried the guest. `legBytes`: as much as a leg has to
 * hold; what a growth that was taken back has left beyond is not shown.
 */
export function buildSteps(
  observed: ObservedStack | undefined,
  wanted: PlannedStack,
  { format, legBytes }: { readonly format: boolean; readonly legBytes: number },
): CardStep[] {
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
  return [...legs, ...missing.flatMap((layer) => layerSteps(layer, wanted, format))];
}

function layerSteps(layer: Layer, wanted: PlannedStack, format: boolean): CardStep[] {
  const { stackGeneration, keyRef } = wanted;
  const legIds = wanted.legs.map(({ legId }) => legId);
  if (isRedundancy(layer)) return [{ kind: 'build-redundancy', stackGeneration, layer, legIds }];
  if (layer.kind === 'compression') return [{ kind: 'build-compression', stackGeneration, layer }];
  // Judged before: a stack with encryption and no key is refused, see `stackProblem`.
  if (keyRef === null) return [];
  const open: CardStep = { kind: 'open-encryption', stackGeneration, keyRef };
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
  };
}
