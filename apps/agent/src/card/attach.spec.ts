import type { CallHooks } from '@flexbso/dataplane-memory';
import { DataPlaneError } from '@flexbso/dataplane-port';
import { expect, it } from 'vitest';
import { CARRIED_WRITES, CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { Fuse } from '../testing/fuse.js';

const shownOn = (card: CardFixture) => card.observed().exports.map(({ functionId }) => functionId);

/** A data plane that does one kind of step never. */
const failing = (kind: string, functionId: string): CallHooks => ({
  before: async ({ method, step }) => {
    if (method !== 'perform' || step?.kind !== kind || !('functionId' in step)) return;
    if (step.functionId === functionId)
      throw new DataPlaneError({ code: 'data-plane-failed', detail: `${kind} fails` }, { retryable: true });
  },
});

it('a volume that was detached is attached again on the card that it was on, and never formatted', async () => {
  const card = new CardFixture();
  await card.start();
  await card.settle({ layers: [{ kind: 'encryption' }] });
  card.card.guestWrites(VOLUME_ID);
  await card.settle({ tombstone: true });
  expect(card.observed()).toMatchObject({ running: false, exports: [] });
  await card.settle({ carried: true, functionId: 'vf-3' });
  expect(shownOn(card)).toEqual(['vf-3']);
  expect(card.card.guestReads(VOLUME_ID)).toBe(CARRIED_WRITES);
});

it('a detachment that waits for a guest is taken back when it is cancelled', async () => {
  const card = new CardFixture();
  await card.start(new Fuse(), failing('unexport-volume', 'vf-0'));
  await card.settle({});
  const written = card.card.guestWrites(VOLUME_ID);
  const desired = await card.want({ tombstone: true });
  await card.clock.runUntil(
    'it waits',
    () => card.scheduler.said(desired.operationId)?.waitingFor?.includes('another attempt') === true,
  );
  await card.scheduler.want(VOLUME_ID, { ...desired, cancelled: true });
  await card.untilSaid(desired, 'undone');
  expect(shownOn(card)).toEqual(['vf-0']);
  expect(card.card.guestReads(VOLUME_ID)).toBe(written);
});

it.each([
  { name: 'cannot leave', hooks: failing('unexport-volume', 'vf-0') },
  { name: 'cannot be shown on', hooks: failing('export-volume', 'vf-1') },
])('a volume stays shown where it was when its function $name', async ({ hooks }) => {
  const card = new CardFixture();
  await card.start(new Fuse(), hooks);
  await card.settle({});
  const written = card.card.guestWrites(VOLUME_ID);
  await card.untilSaid(await card.want({ functionId: 'vf-1' }), 'undone');
  expect(shownOn(card)).toEqual(['vf-0']);
  expect(card.card.guestReads(VOLUME_ID)).toBe(written);
});
