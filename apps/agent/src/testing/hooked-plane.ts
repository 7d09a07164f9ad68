import type { CardDataPlane } from '@flexbso/dataplane-port';

interface Act {
  readonly method: 'perform' | 'undo';
  readonly step: { readonly kind: string };
}

/** Called around what a real data plane does, as the one in memory calls its own. */
export interface ActHooks {
  readonly before?: (act: Act) => Promise<void> | void;
  readonly after?: (act: Act) => Promise<void> | void;
}

export function hookedPlane(inner: CardDataPlane, hooks: ActHooks): CardDataPlane {
  return wrappedPlane(inner, async (act, work) => {
    await hooks.before?.(act);
    await work();
    await hooks.after?.(act);
  });
}

/** The data plane with something around each of its acts. */
export function wrappedPlane(
  inner: CardDataPlane,
  around: (act: Act, work: () => Promise<void>) => Promise<void>,
): CardDataPlane {
  return {
    discover: () => inner.discover(),
    list: () => inner.list(),
    observe: (volumeId) => inner.observe(volumeId),
    endedInOrder: (volumeId) => inner.endedInOrder(volumeId),
    openLegs: (volumeId) => inner.openLegs(volumeId),
    perform: (volumeId, step, context) =>
      around({ method: 'perform', step }, () => inner.perform(volumeId, step, context)),
    undo: (volumeId, step, context) => around({ method: 'undo', step }, () => inner.undo(volumeId, step, context)),
    measure: (volumeId) => inner.measure(volumeId),
    onGone: (listener) => inner.onGone(listener),
    onLegBad: (listener) => inner.onLegBad(listener),
    close: () => inner.close(),
  };
}
