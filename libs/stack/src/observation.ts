import type { Layer, ObservedStack, ObservedVolume, QosLimits } from '@flexbso/contracts';
import { isSame } from './canonical.js';
import { type ChainLink, chainOf, linksOf } from './overlay.js';
import type { PlannedVolume } from './planned-volume.js';

/** What is observed of a volume of which nothing runs. */
export function nothingObserved(volumeId: string): ObservedVolume {
  return { volumeId, running: false, head: null, stacks: [], copy: null, exports: [] };
}

/** The stack as it is observed when all of it is open; of an overlay, over its base. */
export function expectedStack({ stack, baseStackGeneration }: ChainLink): ObservedStack {
  return {
    stackGeneration: stack.stackGeneration,
    legs: stack.legs.map(({ legId, epoch }) => ({ legId, epoch })),
    layers: [...stack.layers],
    keyRef: stack.keyRef,
    ...(baseStackGeneration === null ? {} : { baseStackGeneration }),
  };
}

/**
 * What is observed once `desired` is applied and settled. The export's `uri` is empty: only the data plane
 * knows it, and no plan depends on it.
 */
export function expectedObservation(desired: PlannedVolume): ObservedVolume {
  if (desired.tombstone || desired.detached) return nothingObserved(desired.volumeId);
  return {
    volumeId: desired.volumeId,
    running: true,
    head: {
      sizeBytes: desired.sizeBytes,
      qos: desired.qos,
      widened: false,
      stackGeneration: desired.stack.stackGeneration,
    },
    stacks: linksOf(desired).map(expectedStack).toReversed(),
    copy: null,
    exports: [{ ...desired.export, uri: '' }],
  };
}

/**
 * Whether the wanted generation carries the guest: the head on the wanted stack with the wanted size and limits,
 * none widened, and exported as wanted. Leftovers do not matter. Of a tombstone: nothing runs.
 */
export function isApplied(observed: ObservedVolume, desired: PlannedVolume): boolean {
  if (desired.tombstone) return !observed.running;
  const { head } = observed;
  return (
    head !== null &&
    head.stackGeneration === desired.stack.stackGeneration &&
    head.sizeBytes === desired.sizeBytes &&
    !head.widened &&
    sameLimits(head.qos, desired.qos) &&
    windowOf(observed, head.stackGeneration) === undefined &&
    isChainComplete(observed, desired) &&
    isExported(observed, desired)
  );
}

/** Applied, and nothing else is open: no other stack, no copy that could still act, no other export. */
export function isSettled(observed: ObservedVolume, desired: PlannedVolume): boolean {
  if (!isApplied(observed, desired)) return false;
  if (desired.tombstone) return true;
  return (
    observed.stacks.length === chainOf(desired).length &&
    observed.exports.length === 1 &&
    (observed.copy === null || isConcluded(observed))
  );
}

/** A copy that ended in the cut-over to the head's stack: a record of the past that does nothing any more. */
export function isConcluded({ copy, head }: ObservedVolume): boolean {
  return copy !== null && head !== null && copy.state === 'done' && copy.toStackGeneration === head.stackGeneration;
}

export function stackOf(observed: ObservedVolume, stackGeneration: number): ObservedStack | undefined {
  return observed.stacks.find((stack) => stack.stackGeneration === stackGeneration);
}

/** How much of a stack is shown to what stands on it, in bytes; undefined: all of it. */
export function windowOf(observed: ObservedVolume, stackGeneration: number): number | undefined {
  return stackOf(observed, stackGeneration)?.windowBytes;
}

export function withoutWindow(stack: ObservedStack): ObservedStack {
  const { windowBytes: _, ...rest } = stack;
  return rest;
}

/** Whether all of the wanted stack, and nothing that it does not have, is open; through a window or not. */
export function isComplete(observed: ObservedStack | undefined, wanted: ChainLink): boolean {
  return (
    observed !== undefined && isSame(withSortedLegs(withoutWindow(observed)), withSortedLegs(expectedStack(wanted)))
  );
}

/** Whether the wanted stack and all that it stands on are open as wanted. */
export function isChainComplete(observed: ObservedVolume, desired: PlannedVolume): boolean {
  return linksOf(desired).every((link) => isComplete(stackOf(observed, link.stack.stackGeneration), link));
}

/** The stack generations that what stands on `stackGeneration` reads from: its own, and those beneath it as observed. */
export function carriersOf(observed: ObservedVolume, stackGeneration: number): number[] {
  const carriers: number[] = [];
  let next: number | undefined = stackGeneration;
  // A base is older than its overlay, so this ends; an observation that says otherwise is not followed.
  while (next !== undefined && !carriers.includes(next)) {
    carriers.push(next);
    next = stackOf(observed, next)?.baseStackGeneration;
  }
  return carriers;
}

export function sameLimits(left: QosLimits | null, right: QosLimits | null): boolean {
  // No limit set and no limits at all are the same to the guest.
  return isSame(left ?? {}, right ?? {});
}

export function sameLayers(left: readonly Layer[], right: readonly Layer[]): boolean {
  return isSame(left, right);
}

export function isExported(observed: ObservedVolume, desired: PlannedVolume): boolean {
  return observed.exports.some((shown) => isWantedExport(shown, desired));
}

export function isWantedExport(shown: { protocol: string; functionId: string }, desired: PlannedVolume): boolean {
  return shown.protocol === desired.export.protocol && shown.functionId === desired.export.functionId;
}

// A data plane may list legs in any order; which leg is first means nothing to a mirror and is checked by the driver for stripes.
function withSortedLegs(stack: ObservedStack): ObservedStack {
  return { ...stack, legs: stack.legs.toSorted((left, right) => (left.legId < right.legId ? -1 : 1)) };
}
