import { describe, expect, it } from 'vitest';
import { changesFor, demoChanges } from './changes.js';

describe("the demo's changes", () => {
  it('have a name of their own each', () => {
    expect(new Set(demoChanges.map(({ name }) => name)).size).toBe(demoChanges.length);
  });

  it('are all made under a guest, and over NBD those of the volume of which the client need not be told', () => {
    expect(changesFor('guest')).toEqual(demoChanges);
    const overNbd = changesFor('nbd');
    expect(overNbd.length).toBeGreaterThan(0);
    expect(overNbd.every((change) => 'patch' in change && change.patch.sizeBytes === undefined)).toBe(true);
  });
});
