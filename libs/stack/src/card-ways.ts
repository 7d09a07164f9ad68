import type { Capabilities, CardStep, ObservedStack, ObservedVolume, Problem, QosLimits } from '@flexbso/contracts';
import { buildSteps, closeStep, isPartOf } from './build-stack.js';
import { missingOf } from './capabilities.js';
import { legSizeBytes } from './layers.js';
import {
  carriersOf,
  isChainComplete,
  isComplete,
  isExported,
  isWantedExport,
  sameLimits,
  stackOf,
  windowOf,
} from './observation.js';
import { type ChainLink, chainOf, linksOf } from './overlay.js';
import type { PlannedVolume } from './planned-volume.js';
import { problem } from './problems.js';
import { buildProblem, growProblem, limitsNeed, shrinkProblem, swapGrowProblem } from './refusals.js';

/** What the ways below plan from; checked before for contradictions. */
export interface Situation {
  readonly cardId: string;
  readonly observed: ObservedVolume;
  readonly desired: PlannedVolume;
  readonly appliedStackGeneration: number | null;
  readonly capabilities: Capabilities;
}
export type Way = { readonly steps: readonly CardStep[] } | { readonly problem: Problem };
type Head = NonNullable<ObservedVolume['head']>;

/** A tombstone: whatever runs goes. The head and its stack end with the data plane, after what stands beside them. */
export function removeAll({ observed, desired }: Situation): Way {
  if (!observed.running) return { steps: [] };
  // Closing in order would wait for I/O that no leg will ever answer.
  if (desired.movedTo !== undefined) return { steps: [{ kind: 'stop-data-plane', evenIfAttached: true }] };
  const carriers = observed.head ? carriersOf(observed, observed.head.stackGeneration) : [];
  return {
    steps: [
      ...observed.exports.map(unexportStep),
      ...closeAll(observed, generationsBeside(observed, carriers)),
      { kind: 'stop-data-plane' },
    ],
  };
}

/** No head: a new volume, or one whose data plane is gone. A stack that carried the guest is opened, never formatted. */
export function raise(situation: Situation): Way {
  const { cardId, observed, desired, capabilities } = situation;
  const refusal = buildProblem(cardId, desired, capabilities, []);
  if (refusal) return { problem: refusal };
  const { stackGeneration } = desired.stack;
  const links = linksOf(desired).toReversed();
  // What stands on a stack that is to be opened anew is closed first.
  const misfit = links.findIndex((link) => !fits(situation, link));
  const above = misfit === -1 ? [] : links.slice(misfit + 1).map(({ stack }) => stack.stackGeneration);
  const closed = generationsBeside(observed, []).filter((one) => above.includes(one));
  const start: CardStep[] = observed.running ? [] : [{ kind: 'start-data-plane' }];
  const { sizeBytes, qos } = desired;
  return {
    steps: [
      ...start,
      ...closeAll(observed, closed),
      ...links.flatMap((link) => build(situation, link, closed)),
      { kind: 'build-head', stackGeneration, sizeBytes, qos },
      ...missingExport(observed, desired),
      ...closeAll(observed, generationsBeside(observed, generationsOf(desired))),
    ],
  };
}

/** The head is on the wanted stack: limits, size and function are set where they are, and leftovers closed. */
export function adjust({ cardId, observed, desired, capabilities }: Situation, head: Head): Way {
  const needed = sameLimits(head.qos, desired.qos) ? [] : limitsNeed(desired.qos);
  const isWindowed = windowOf(observed, head.stackGeneration) !== undefined;
  const refusal =
    missingOf(needed, capabilities, `card ${cardId}`) ?? sizeProblem(cardId, desired, head, capabilities, isWindowed);
  if (refusal) return { problem: refusal };
  // An abandoned copy ends before its room in the limits goes, or it would spend the guest's.
  const abandoned = observed.copy && observed.copy.state !== 'done' ? [observed.copy.toStackGeneration] : [];
  return {
    steps: [
      ...closeAll(observed, abandoned),
      ...limitSteps(head, desired.qos),
      ...growSteps(head, desired, isWindowed),
      ...formerExports(observed, desired),
      ...missingExport(observed, desired),
      ...closeAll(observed, generationsBeside(observed, [...generationsOf(desired), ...abandoned])),
    ],
  };
}

function generationsOf(desired: PlannedVolume): number[] {
  return chainOf(desired).map(({ stackGeneration }) => stackGeneration);
}

/** On a window the rest of a swap is due, which was judged before its cut-over. */
function sizeProblem(
  cardId: string,
  desired: PlannedVolume,
  { sizeBytes }: Head,
  capabilities: Capabilities,
  isWindowed: boolean,
): Problem | null {
  if (isWindowed) return desired.sizeBytes < sizeBytes ? shrinkProblem(desired, sizeBytes) : null;
  return desired.sizeBytes === sizeBytes ? null : growProblem(cardId, desired, sizeBytes, capabilities);
}

/**
 * The head is on another stack. The wanted one is built beside it, synchronised, and cut over to; then the old is closed.
 * An overlay on the old has everything from the start, so that only the cut-over is left; and into its own base an overlay
 * is written back, where only what it holds is copied.
 */
export function swap(situation: Situation, head: Head): Way {
  const { cardId, observed, desired, capabilities } = situation;
  const how = howToSwap(observed, desired, head);
  const refusal =
    swapGrowProblem(cardId, desired, head.sizeBytes, capabilities) ??
    relationProblem(observed, desired, how) ??
    buildProblem(cardId, desired, capabilities, how === 'overlay' ? [] : ['swap-live']);
  if (refusal) return { problem: refusal };
  const obstacles = obstaclesOf(observed, desired).filter(
    (one) => how !== 'commit' || one !== desired.stack.stackGeneration,
  );
  const cutOver = { kind: 'cut-over', ...endsOf(head, desired) } as const;
  const limits = desired.limitsAtOnce ? desired.qos : head.qos;
  // An overlay takes no copy, so there is none to make room for.
  const widen = how === 'overlay' ? limitSteps(head, limits) : widenSteps(head, limits, desired.copyBytesPerSecond);
  const isWidened = how !== 'overlay' && !isUnlimited(limits) && (head.widened || widen.length > 0);
  const [top] = linksOf(desired);
  return {
    steps: [
      ...closeAll(observed, obstacles),
      ...missingExport(observed, desired),
      ...(top && how !== 'commit' ? build(situation, top, obstacles) : []),
      ...widen,
      ...copySteps(situation, head, how, obstacles),
      how === 'overlay' ? { ...cutOver, onto: 'overlay' } : cutOver,
      ...limitSteps({ ...head, qos: limits, widened: isWidened }, desired.qos),
      ...growSteps(head, desired, windowBytesOf(observed, desired) !== undefined),
      ...closeAll(observed, generationsBeside(observed, [...generationsOf(desired), ...obstacles])),
    ],
  };
}

type SwapKind = 'copy' | 'overlay' | 'commit';

function howToSwap(observed: ObservedVolume, desired: PlannedVolume, head: Head): SwapKind {
  const { stackGeneration } = desired.stack;
  if (carriersOf(observed, head.stackGeneration)[1] === stackGeneration) return 'commit';
  return desired.bases?.[0]?.stackGeneration === head.stackGeneration ? 'overlay' : 'copy';
}

/** A copy gives a stack that holds everything itself; what lies beneath an overlay is what carried the guest before. */
function relationProblem(observed: ObservedVolume, desired: PlannedVolume, how: SwapKind): Problem | null {
  const { volumeId, stack, bases, sizeBytes } = desired;
  if (how === 'copy') {
    if (bases === undefined) return null;
    const detail = `volume ${volumeId}: stack ${stack.stackGeneration} is an overlay on another stack than carries the guest, whose content would change beneath the guest`;
    return problem('change-refused', detail, { stackGeneration: stack.stackGeneration });
  }
  if (sizeBytes !== observed.head?.sizeBytes) {
    const detail = `volume ${volumeId} cannot change its size in the step that makes or ends an overlay`;
    return problem('change-refused', detail, { stackGeneration: stack.stackGeneration });
  }
  const kept = linksOf(desired).slice(how === 'overlay' ? 1 : 0);
  const strange = kept.find((link) => !isWhole(stackOf(observed, link.stack.stackGeneration), link));
  if (!strange) return null;
  const detail = `volume ${volumeId}: the legs, epochs, layers or key of stack ${strange.stack.stackGeneration}, which it is to stand on, are not the recorded ones; nothing was touched`;
  return problem('needs-operator', detail, { volumeId });
}

function isWhole(observed: ObservedStack | undefined, link: ChainLink): boolean {
  return observed?.windowBytes === undefined && isComplete(observed, link);
}

function endsOf(head: Head, { stack }: PlannedVolume) {
  return { fromStackGeneration: head.stackGeneration, toStackGeneration: stack.stackGeneration };
}

/** None for an overlay, and none where both are the same already. */
function copySteps(
  { observed, desired }: Situation,
  head: Head,
  how: SwapKind,
  obstacles: readonly number[],
): CardStep[] {
  const { copyBytesPerSecond } = desired;
  if (how === 'overlay' || (observed.copy?.state === 'ready' && obstacles.length === 0)) return [];
  const copy = { kind: 'copy', ...endsOf(head, desired), bytes: head.sizeBytes, copyBytesPerSecond } as const;
  return [how === 'commit' ? { ...copy, commits: true } : copy];
}

/** Generations to be closed before the copy: the target of a copy that does not go on, and what a concluded one left. */
function obstaclesOf(observed: ObservedVolume, desired: PlannedVolume): number[] {
  const { copy, head } = observed;
  const wanted = desired.stack.stackGeneration;
  if (!copy) return [];
  if (copy.state === 'done') return generationsBeside(observed, [wanted, ...(head ? [head.stackGeneration] : [])]);
  const isOurs =
    copy.toStackGeneration === wanted &&
    copy.state !== 'failed' &&
    windowOf(observed, wanted) === windowBytesOf(observed, desired) &&
    isChainComplete(observed, desired);
  return isOurs ? [] : [copy.toStackGeneration];
}

/** Whether what is open of the stack, if anything, can be built on. */
function fits(situation: Situation, link: ChainLink): boolean {
  const { observed, desired } = situation;
  const begun = stackOf(observed, link.stack.stackGeneration);
  if (!begun) return true;
  const sizeBytes = link.stack === desired.stack ? windowBytesOf(observed, desired) : undefined;
  return (
    (begun.windowBytes === undefined && isPartOf(begun, link)) ||
    (begun.windowBytes === sizeBytes && isComplete(begun, link))
  );
}

/**
 * Opens what is missing of a wanted stack; what is open of it and does not fit is closed first, never joined by a second.
 * `closed` are stacks that are closed already by then.
 */
function build(situation: Situation, link: ChainLink, closed: readonly number[]): CardStep[] {
  const { observed, desired, appliedStackGeneration } = situation;
  const { stackGeneration } = link.stack;
  const begun = stackOf(observed, stackGeneration);
  const isTop = link.stack === desired.stack;
  const { sizeBytes } = desired;
  // What lies beneath an overlay has carried a guest.
  const format = isTop && appliedStackGeneration !== stackGeneration;
  const how = { format, sizeBytes, legBytes: legBytesOf(situation, link) };
  const windowBytes = isTop ? windowBytesOf(observed, desired) : undefined;
  const window: CardStep[] =
    windowBytes === undefined ? [] : [{ kind: 'build-window', stackGeneration, sizeBytes: windowBytes }];
  if (!begun || closed.includes(stackGeneration)) return [...buildSteps(undefined, link, how), ...window];
  if (begun.windowBytes === undefined && isPartOf(begun, link)) return [...buildSteps(begun, link, how), ...window];
  if (fits(situation, link)) return [];
  return [closeStep(begun), ...buildSteps(undefined, link, how), ...window];
}

/**
 * How large a header is that another card has written is not known here, nor an overlay's tables: such a leg is as large
 * as it is.
 */
function legBytesOf({ desired: { sizeBytes }, capabilities }: Situation, link: ChainLink): number {
  const { layers } = link.stack;
  const isKnown = link.baseStackGeneration === null && !layers.some(({ kind }) => kind === 'encryption');
  return isKnown ? legSizeBytes(layers, sizeBytes, capabilities) : Number.POSITIVE_INFINITY;
}

/** A swap that grows: as much of the new stack as the guest has now, until the head grows to all of it; else undefined. */
function windowBytesOf({ head }: ObservedVolume, desired: PlannedVolume): number | undefined {
  return head !== null && head.sizeBytes < desired.sizeBytes ? head.sizeBytes : undefined;
}

function growSteps(head: Head, { sizeBytes }: PlannedVolume, isWindowed: boolean): CardStep[] {
  const grow = { kind: 'grow-head', fromSizeBytes: head.sizeBytes, sizeBytes } as const;
  // A head of the wanted size on a window is one whose guest may not have been told yet.
  if (isWindowed) return [{ ...grow, endsWindow: true }];
  return sizeBytes === head.sizeBytes ? [] : [grow];
}

/** The tenant's limits while the copy runs: those that the head has, or others that are to hold at once. */
function widenSteps(head: Head, limits: QosLimits | null, copyBytesPerSecond: number): CardStep[] {
  const isSame = sameLimits(head.qos, limits);
  if (limits !== null && !isUnlimited(limits))
    return head.widened && isSame ? [] : [{ kind: 'widen-limits', from: limits, copyBytesPerSecond }];
  if (head.widened) return [{ kind: 'restore-limits', to: limits }];
  return isSame ? [] : [{ kind: 'set-limits', from: head.qos, to: limits }];
}

const isUnlimited = (limits: QosLimits | null) => sameLimits(limits, null);

function limitSteps(head: Head, limits: QosLimits | null): CardStep[] {
  if (head.widened) return [{ kind: 'restore-limits', to: limits }];
  return sameLimits(head.qos, limits) ? [] : [{ kind: 'set-limits', from: head.qos, to: limits }];
}

function missingExport(observed: ObservedVolume, desired: PlannedVolume): CardStep[] {
  const { protocol, functionId } = desired.export;
  return isExported(observed, desired) ? [] : [{ kind: 'export-volume', protocol, functionId }];
}

/** It was shown on another function, and is on one at a time. */
function formerExports(observed: ObservedVolume, desired: PlannedVolume): CardStep[] {
  return observed.exports.filter((shown) => !isWantedExport(shown, desired)).map(unexportStep);
}

function unexportStep({ protocol, functionId }: ObservedVolume['exports'][number]): CardStep {
  return { kind: 'unexport-volume', protocol, functionId };
}

function closeAll(observed: ObservedVolume, stackGenerations: readonly number[]): CardStep[] {
  return stackGenerations.map((stackGeneration) =>
    closeStep(stackOf(observed, stackGeneration) ?? { stackGeneration, legs: [], layers: [], keyRef: null }),
  );
}

/** Every open stack that is not among `kept`, youngest first: an overlay is closed before its base. */
function generationsBeside(observed: ObservedVolume, kept: readonly number[]): number[] {
  return observed.stacks
    .map(({ stackGeneration }) => stackGeneration)
    .filter((stackGeneration) => !kept.includes(stackGeneration))
    .toSorted((left, right) => right - left);
}
