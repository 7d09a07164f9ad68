import { describe, expect, it } from 'vitest';
import { changesFor, demoClients } from './changes.js';

describe("the demo's changes", () => {
  it.each(demoClients)('have a name of their own each: %s', (client) => {
    const names = changesFor(client).map(({ name }) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are over NBD those of which the client need not be told', () => {
    expect(changesFor('nbd').every((change) => 'patch' in change && change.patch.sizeBytes === undefined)).toBe(true);
  });
});
