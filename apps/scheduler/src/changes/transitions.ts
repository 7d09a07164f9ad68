import { type ChangeState, finalChangeStates } from '@flexbso/contracts';

/**
 * Which state may follow which, and the fact that each arrival announces. A change starts as `preparing`; one that
 * takes no work passes through every state within its first transaction.
 */
export const changeTransitions: Readonly<Record<ChangeState, readonly ChangeState[]>> = {
  // Begun it is whatever it is planned as; of one that finds nothing to do that is settled.
  queued: ['preparing', 'settled', 'refused', 'undone'],
  preparing: ['applying', 'retiring', 'undoing'],
  applying: ['retiring', 'undoing', 'needs-operator'],
  // Of a change of two stages the second begins where the first has settled.
  retiring: ['settled', 'preparing', 'needs-operator'],
  undoing: ['undone', 'refused', 'needs-operator'],
  // An operator mends what contradicted; the card's next report says where the change stands.
  'needs-operator': ['applying', 'undoing'],
  settled: [],
  undone: [],
  refused: [],
};

/** The last part of the event's subject. `retiring` is what the world knows as *applied*. */
export const arrivalEvents: Readonly<Record<ChangeState, string>> = {
  queued: 'queued',
  preparing: 'preparing',
  applying: 'applying',
  retiring: 'applied',
  settled: 'settled',
  undoing: 'undoing',
  undone: 'undone',
  refused: 'refused',
  'needs-operator': 'needs-operator',
};

export function isFinal(state: ChangeState): boolean {
  return finalChangeStates.includes(state);
}

/** A transition that the table does not know is a defect of the scheduler, never of its input. */
export class TransitionError extends Error {
  override readonly name = 'TransitionError';
  constructor(changeId: string, from: ChangeState, to: ChangeState) {
    super(`change ${changeId} cannot go from ${from} to ${to}`);
  }
}

export function assertTransition(changeId: string, from: ChangeState, to: ChangeState): void {
  if (!changeTransitions[from].includes(to)) throw new TransitionError(changeId, from, to);
}
