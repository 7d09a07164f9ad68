import type { CardStep, ObservedStack, ObservedVolume } from '@flexbso/contracts';
import { carriersOf, nothingObserved, stackOf, withoutWindow } from './observation.js';
import { type CardStepHandlers, type CardStepOf, handleCardStep } from './steps.js';

type Change = (observed: ObservedVolume) => ObservedVolume;

/**
 * What is observed after a step was done: the model that plans are proven against and that the memory
 * driver runs. A step done again changes nothing. `copy` ends in `ready`: the step waits for it.
 * Widened limits are observed as the tenant's own with `widened` set; see `widenedLimits` for what is in force.
 */
export function applyCardStep(observed: ObservedVolume, step: CardStep): ObservedVolume {
  return handleCardStep(done, step)(observed);
}

/** What is observed after a step was undone; of a step that has no undo, or was not done, the same as before. */
export function undoCardStep(observed: ObservedVolume, step: CardStep): ObservedVolume {
  return handleCardStep(undone, step)(observed);
}

const unchanged = (): Change => (observed) => observed;

const done: CardStepHandlers<Change> = {
  'start-data-plane': () => (observed) => ({ ...observed, running: true }),
  'open-leg': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({
      ...stack,
      legs: stack.legs.some(({ legId }) => legId === step.legId)
        ? stack.legs
        : [...stack.legs, { legId: step.legId, epoch: step.epoch }],
    })),
  // A header is on the legs, not in what is open.
  'format-encryption': unchanged,
  'open-encryption': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({
      ...addLayer(stack, { kind: 'encryption', cipher: 'aes-xts-256' }),
      keyRef: step.keyRef,
    })),
  'build-redundancy': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => addLayer(stack, step.layer)),
  'build-compression': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => addLayer(stack, step.layer)),
  'build-window': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({ ...stack, windowBytes: step.sizeBytes })),
  // Tables are on the legs, not in what is open.
  'format-overlay': unchanged,
  'build-overlay': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({
      ...stack,
      baseStackGeneration: step.baseStackGeneration,
    })),
  'build-head': (step) => (observed) => ({
    ...observed,
    head: observed.head ?? {
      sizeBytes: step.sizeBytes,
      qos: step.qos,
      widened: false,
      stackGeneration: step.stackGeneration,
    },
  }),
  'export-volume':
    ({ protocol, functionId }) =>
    (observed) => ({
      ...observed,
      exports: [...withoutExport(observed, protocol, functionId), { protocol, functionId, uri: '' }],
    }),
  'set-limits': (step) => changeHead({ qos: step.to, widened: false }),
  'widen-limits': (step) => changeHead({ qos: step.from, widened: true }),
  'restore-limits': (step) => changeHead({ qos: step.to, widened: false }),
  copy: (step) => (observed) => ({
    ...observed,
    copy: {
      toStackGeneration: step.toStackGeneration,
      state: 'ready',
      doneBytes: step.bytes,
      totalBytes: step.bytes,
      error: null,
    },
  }),
  'cut-over': (step) => (observed) => ({
    ...changeHead({ stackGeneration: step.toStackGeneration })(observed),
    copy: null,
  }),
  'grow-head': (step) => (observed) => {
    const grown = changeHead({ sizeBytes: step.sizeBytes })(observed);
    return grown.head ? changeStack(grown, grown.head.stackGeneration, withoutWindow) : grown;
  },
  'unexport-volume':
    ({ protocol, functionId }) =>
    (observed) => ({ ...observed, exports: withoutExport(observed, protocol, functionId) }),
  'close-stack': (step) => (observed) => closeStack(observed, step),
  'stop-data-plane': () => (observed) => nothingObserved(observed.volumeId),
};

const undone: CardStepHandlers<Change> = {
  'start-data-plane': () => (observed) => nothingObserved(observed.volumeId),
  'open-leg': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({
      ...stack,
      legs: stack.legs.filter(({ legId }) => legId !== step.legId),
    })),
  'format-encryption': unchanged,
  'open-encryption': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => ({ ...removeLayer(stack, 'encryption'), keyRef: null })),
  'build-redundancy': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => removeLayer(stack, step.layer.kind)),
  'build-compression': (step) => (observed) =>
    changeStack(observed, step.stackGeneration, (stack) => removeLayer(stack, 'compression')),
  'build-window': (step) => (observed) => changeStack(observed, step.stackGeneration, withoutWindow),
  'format-overlay': unchanged,
  'build-overlay': (step) => (observed) => changeStack(observed, step.stackGeneration, withoutOverlay),
  'build-head': () => (observed) => ({ ...observed, head: null }),
  'export-volume':
    ({ protocol, functionId }) =>
    (observed) => ({ ...observed, exports: withoutExport(observed, protocol, functionId) }),
  'set-limits': (step) => changeHead({ qos: step.from }),
  'widen-limits': (step) => changeHead({ qos: step.from, widened: false }),
  'restore-limits': unchanged,
  copy: (step) => (observed) =>
    observed.copy?.toStackGeneration === step.toStackGeneration ? { ...observed, copy: null } : observed,
  'cut-over': unchanged,
  'grow-head': unchanged,
  'unexport-volume': unchanged,
  'close-stack': unchanged,
  'stop-data-plane': unchanged,
};

function changeHead(difference: Partial<NonNullable<ObservedVolume['head']>>): Change {
  return (observed) => ({ ...observed, head: observed.head && { ...observed.head, ...difference } });
}

/** Changes one stack, beginning with an empty one; a stack of which nothing is open is not observed. */
function changeStack(
  observed: ObservedVolume,
  stackGeneration: number,
  change: (stack: ObservedStack) => ObservedStack,
): ObservedVolume {
  const changed = change(stackOf(observed, stackGeneration) ?? { stackGeneration, legs: [], layers: [], keyRef: null });
  const others = observed.stacks.filter((stack) => stack.stackGeneration !== stackGeneration);
  const isEmpty = changed.legs.length === 0 && changed.layers.length === 0;
  return {
    ...observed,
    stacks: (isEmpty ? others : [...others, changed]).toSorted(
      (left, right) => left.stackGeneration - right.stackGeneration,
    ),
  };
}

function addLayer(stack: ObservedStack, layer: ObservedStack['layers'][number]): ObservedStack {
  return stack.layers.some(({ kind }) => kind === layer.kind) ? stack : { ...stack, layers: [layer, ...stack.layers] };
}

function removeLayer(stack: ObservedStack, kind: string): ObservedStack {
  return { ...stack, layers: stack.layers.filter((layer) => layer.kind !== kind) };
}

function withoutOverlay(stack: ObservedStack): ObservedStack {
  const { baseStackGeneration: _, ...rest } = stack;
  return rest;
}

function withoutExport(observed: ObservedVolume, protocol: string, functionId: string): ObservedVolume['exports'] {
  return observed.exports.filter((shown) => shown.protocol !== protocol || shown.functionId !== functionId);
}

/** Also ends a copy into the stack, and lets go of a concluded copy's record. Never closes what the head reads from. */
function closeStack(observed: ObservedVolume, step: CardStepOf<'close-stack'>): ObservedVolume {
  if (observed.head?.stackGeneration === step.stackGeneration) return observed;
  const { copy } = observed;
  const carriers = observed.head ? carriersOf(observed, observed.head.stackGeneration) : [];
  const isCopyOver = copy !== null && (copy.toStackGeneration === step.stackGeneration || copy.state === 'done');
  return {
    ...observed,
    copy: isCopyOver ? null : copy,
    stacks: observed.stacks.filter(
      ({ stackGeneration }) => stackGeneration !== step.stackGeneration || carriers.includes(stackGeneration),
    ),
  };
}
