import type { Capabilities, CardStep, ObservedVolume, Problem, QosLimits } from '@flexbso/contracts';
import { buildSteps, closeStep, isPartOf } from './build-stack.js';
import { missingOf } from './capabilities.js';
import { legSizeBytes } from './layers.js';
import { isComplete, isExported, isWantedExport, sameLimits, stackOf, windowOf } from './observation.js';
import type { PlannedVolume } from './planned-volume.js';
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
  const beside = observed.stacks.filter(({ stackGeneration }) => stackGeneration !== observed.head?.stackGeneration);
  return {
    steps: [
      ...observed.exports.map(unexportStep),
      ...closeAll(
        observed,
        beside.map(({ stackGeneration }) => stackGeneration),
      ),
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
  const start: CardStep[] = observed.running ? [] : [{ kind: 'start-data-plane' }];
  const { sizeBytes, qos } = desired;
  return {
    steps: [
      ...start,
      ...build(situation),
      { kind: 'build-head', stackGeneration, sizeBytes, qos },
      ...missingExport(observed, desired),
      ...closeAll(observed, generationsBeside(observed, [stackGeneration])),
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
      ...limitSteps(head, desired),
      ...growSteps(head, desired, isWindowed),
      ...formerExports(observed, desired),
      ...missingExport(observed, desired),
      ...closeAll(observed, generationsBeside(observed, [head.stackGeneration, ...abandoned])),
    ],
  };
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

/** The head is on another stack: the wanted one is built beside it, synchronised, and cut over to; then the old is closed. */
export function swap(situation: Situation, head: Head): Way {
  const { cardId, observed, desired, capabilities } = situation;
  const refusal =
    swapGrowProblem(cardId, desired, head.sizeBytes, capabilities) ??
    buildProblem(cardId, desired, capabilities, ['swap-live']);
  if (refusal) return { problem: refusal };
  const obstacles = obstaclesOf(observed, desired);
  const toStackGeneration = desired.stack.stackGeneration;
  const from = { fromStackGeneration: head.stackGeneration, toStackGeneration };
  const { copyBytesPerSecond } = desired;
  const limits = desired.limitsAtOnce ? desired.qos : head.qos;
  const widen = widenSteps(head, limits, copyBytesPerSecond);
  const isWidened = !isUnlimited(limits) && (head.widened || widen.length > 0);
  const isInSync = observed.copy?.state === 'ready' && obstacles.length === 0;
  const copy: CardStep[] = isInSync ? [] : [{ kind: 'copy', ...from, bytes: head.sizeBytes, copyBytesPerSecond }];
  return {
    steps: [
      ...closeAll(observed, obstacles),
      ...missingExport(observed, desired),
      ...build(situation),
      ...widen,
      ...copy,
      { kind: 'cut-over', ...from },
      ...limitSteps({ ...head, qos: limits, widened: isWidened }, desired),
      ...growSteps(head, desired, windowBytesOf(observed, desired) !== undefined),
      ...closeAll(observed, generationsBeside(observed, [toStackGeneration, ...obstacles])),
    ],
  };
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
    isComplete(stackOf(observed, wanted), desired.stack);
  return isOurs ? [] : [copy.toStackGeneration];
}

/** Opens what is missing of the wanted stack; what is open of it and does not fit is closed first, never joined by a second. */
function build(situation: Situation): CardStep[] {
  const { observed, desired, appliedStackGeneration } = situation;
  const wanted = desired.stack;
  const { stackGeneration } = wanted;
  const how = { format: appliedStackGeneration !== stackGeneration, legBytes: legBytesOf(situation) };
  const begun = stackOf(observed, stackGeneration);
  const sizeBytes = windowBytesOf(observed, desired);
  const window: CardStep[] = sizeBytes === undefined ? [] : [{ kind: 'build-window', stackGeneration, sizeBytes }];
  const isCopyTarget = observed.copy?.toStackGeneration === stackGeneration;
  // The target of a copy that cannot go on is among the obstacles and closed already.
  const isClosed = isCopyTarget && obstaclesOf(observed, desired).includes(stackGeneration);
  if (!begun || isClosed) return [...buildSteps(undefined, wanted, how), ...window];
  if (begun.windowBytes === undefined && isPartOf(begun, wanted)) return [...buildSteps(begun, wanted, how), ...window];
  if (begun.windowBytes === sizeBytes && isComplete(begun, wanted)) return [];
  return [closeStep(begun), ...buildSteps(undefined, wanted, how), ...window];
}

/** How large a header is that another card has written is not known here: such a leg is as large as it is. */
function legBytesOf({ desired: { stack, sizeBytes }, capabilities }: Situation): number {
  const isEncrypted = stack.layers.some(({ kind }) => kind === 'encryption');
  return isEncrypted ? Number.POSITIVE_INFINITY : legSizeBytes(stack.layers, sizeBytes, capabilities);
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

function limitSteps(head: Head, desired: PlannedVolume): CardStep[] {
  if (head.widened) return [{ kind: 'restore-limits', to: desired.qos }];
  return sameLimits(head.qos, desired.qos) ? [] : [{ kind: 'set-limits', from: head.qos, to: desired.qos }];
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

/** Every open stack that is not among `kept`, oldest first. */
function generationsBeside(observed: ObservedVolume, kept: readonly number[]): number[] {
  return observed.stacks
    .map(({ stackGeneration }) => stackGeneration)
    .filter((stackGeneration) => !kept.includes(stackGeneration))
    .toSorted((left, right) => left - right);
}
