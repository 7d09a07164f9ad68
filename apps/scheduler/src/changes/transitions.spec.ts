import { type ChangeState, changeStateSchema, finalChangeStates } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { assertTransition, changeTransitions, TransitionError } from './transitions.js';

const states = changeStateSchema.options;

function reachableFrom(start: ChangeState): Set<ChangeState> {
  const found = new Set<ChangeState>([start]);
  for (const state of found) for (const next of changeTransitions[state]) found.add(next);
  return found;
}

describe('the states of a change', () => {
  it('are all reached from the first', () => {
    expect([...reachableFrom('queued')].toSorted()).toEqual([...states].toSorted());
  });

  it('have no way out of an end, and a way to an end from everywhere else', () => {
    for (const state of states) {
      const isEnd = finalChangeStates.includes(state);
      expect(changeTransitions[state].length === 0).toBe(isEnd);
      expect([...reachableFrom(state)].some((one) => finalChangeStates.includes(one))).toBe(true);
    }
  });

  it('know no way back from past the cut-over to undoing, but through an operator', () => {
    expect(changeTransitions.retiring).not.toContain('undoing');
    expect(changeTransitions.undoing).not.toContain('settled');
  });

  it('refuse what the table does not have', () => {
    expect(() => assertTransition('chg-0000000001', 'settled', 'applying')).toThrow(TransitionError);
  });
});
