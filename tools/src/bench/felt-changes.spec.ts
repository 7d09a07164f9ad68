import { volumePatchSchema } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { demoClients } from '../demo/changes.js';
import type { DemoClient } from '../demo/changes.js';
import { feltChanges } from './felt-changes.js';

const growing = (client: DemoClient) =>
  feltChanges(client, true).filter((change) => 'patch' in change && change.patch.sizeBytes !== undefined);

describe('the changes whose touch is measured', () => {
  it.each(demoClients)('have a name of their own each, and are requests that the API can read: %s', (client) => {
    const changes = feltChanges(client, true);
    expect(new Set(changes.map(({ name }) => name)).size).toBe(changes.length);
    const patches = changes.flatMap((change) => ('patch' in change ? [change.patch] : []));
    expect(patches.filter((patch) => !volumePatchSchema.safeParse(patch).success)).toEqual([]);
  });

  it('grow only under a client that can be told of it', () => {
    expect([growing('nbd').length, growing('guest').length]).toEqual([0, 3]);
  });

  it('leave compression out where no pool can', () => {
    expect(feltChanges('nbd', true).length - feltChanges('nbd', false).length).toBe(2);
  });
});
