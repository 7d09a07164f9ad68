import { expect, it } from 'vitest';
import { MIB } from '../testing/fixtures.js';
import { planReservations } from './plan-reservations.js';
import type { ReservationRecord } from './reservation-record.js';

const held = (ownerRole: 'card' | 'pool', ownerId: string, room: Partial<ReservationRecord>): ReservationRecord => ({
  reservationId: `${ownerRole}-${ownerId}`,
  volumeId: 'vol-0000000001',
  ownerRole,
  ownerId,
  functionId: ownerRole === 'card' ? 'vf-1' : null,
  labels: {},
  iops: 0,
  bytesPerSecond: 0,
  memoryBytes: 0,
  armCentiCores: 0,
  capacityBytes: 0,
  ...room,
});
const none = { capacityBytes: 0, iops: 0, bytesPerSecond: 0, memoryBytes: 0, armCentiCores: 0 };

it('adds up what is held of each card and pool before, while and after, also where it holds nothing at a time', () => {
  const card = held('card', 'card-1', { memoryBytes: 16 * MIB });
  const old = held('pool', 'pool-1', { capacityBytes: 64 * MIB });
  const made = [64, 32].map((size) => held('pool', 'pool-2', { capacityBytes: size * MIB }));
  const shown = planReservations({ before: [card, old], during: [card, old, ...made], after: [card, ...made] });
  const memory = { ...none, memoryBytes: 16 * MIB };
  const both = { ...none, capacityBytes: 96 * MIB };
  const former = { ...none, capacityBytes: 64 * MIB };
  const functionIds = { before: ['vf-1'], during: ['vf-1'], after: ['vf-1'] };
  const noFunctions = { before: [], during: [], after: [] };
  expect(shown).toEqual([
    {
      owner: { role: 'card', id: 'card-1' },
      functionId: 'vf-1',
      functionIds,
      before: memory,
      during: memory,
      after: memory,
    },
    {
      owner: { role: 'pool', id: 'pool-1' },
      functionId: null,
      functionIds: noFunctions,
      before: former,
      during: former,
      after: none,
    },
    {
      owner: { role: 'pool', id: 'pool-2' },
      functionId: null,
      functionIds: noFunctions,
      before: none,
      during: both,
      after: both,
    },
  ]);
});
