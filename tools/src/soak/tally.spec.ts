import { describe, expect, it } from 'vitest';
import { allHeld, Tally } from './tally.js';

const none = { files: 0, processes: 0, descriptors: 0, reservations: 0 };

function tally(): Tally {
  const made = new Tally(() => undefined);
  made.change('move', 'settled', 'no reason');
  return made;
}

describe("a soak's verdict", () => {
  it('holds when something was changed and nothing went wrong', () => {
    expect(allHeld(tally().result(none, 1, 60))).toBe(true);
    expect(allHeld(new Tally(() => undefined).result(none, 1, 60))).toBe(false);
  });

  it.each(['files', 'processes', 'descriptors', 'reservations'] as const)('does not hold when %s leaked', (kind) => {
    expect(allHeld(tally().result({ ...none, [kind]: 1 }, 1, 60))).toBe(false);
  });

  it('does not hold with one failed I/O, one wrong byte or one complaint', () => {
    for (const spoil of [
      (one: Tally) => (one.failedIo += 1),
      (one: Tally) => (one.wrongBytes += 1),
      (one: Tally) => one.complain('a change did not end'),
    ]) {
      const spoilt = tally();
      spoil(spoilt);
      expect(allHeld(spoilt.result(none, 1, 60))).toBe(false);
    }
  });

  it('counts changes by kind, and refusals by kind and code, whenever they were refused', () => {
    const counted = tally();
    counted.change('move', 'undone', 'cancelled');
    counted.change('grow', 'settled', 'no reason');
    counted.change('grow', 'refused', 'plan-changed');
    counted.refusedWith('grow', 'change-refused');
    expect(counted.result(none, 7, 60)).toMatchObject({
      changes: 3,
      undone: 1,
      refused: 2,
      byKind: { move: 2, grow: 1 },
      byRefusal: { 'grow: change-refused': 1, 'grow: plan-changed': 1 },
      byUndoing: { cancelled: 1 },
      seed: 7,
    });
  });
});
