import { DataPlaneError } from '@flexbso/dataplane-port';
import type { CallHooks } from '@flexbso/dataplane-memory';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';

const failing = (kind: string): CallHooks => ({
  before: ({ method, step }) => {
    if (method === 'perform' && step?.kind === kind)
      throw new DataPlaneError({ code: 'data-plane-failed', detail: `${kind} fails` });
  },
});

describe('a card that is inspected', () => {
  it('answers what it observes', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    expect(await card.scheduler.inspect()).toMatchObject({
      total: 1,
      volumes: [{ volumeId: VOLUME_ID, running: true }],
      legs: [],
    });
  });

  it('tells of what stayed as of what was given, once the operation that was given last is undone', async () => {
    const card = new CardFixture();
    await card.start(undefined, failing('copy'));
    const first = await card.settle({});
    const desired = await card.want({ newStack: true });
    await card.untilSaid(desired, 'undone');
    const { operationId, generation } = first;
    expect(await card.scheduler.inspect()).toMatchObject({ given: { volumes: [{ operationId, generation }] } });
  });

  it('tells of a volume whose creation is undone as of one that it was never given', async () => {
    const card = new CardFixture();
    await card.start(undefined, failing('build-head'));
    const desired = await card.want({});
    await card.untilSaid(desired, 'undone');
    expect(await card.scheduler.inspect()).toMatchObject({ total: 0, given: { volumes: [] } });
  });
});
