import {
  type DesiredVolume,
  type ObservedVolume,
  capabilityNameSchema,
  observedVolumeSchema,
} from '@flexbso/contracts';
import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { singleDifferences } from '@flexbso/stack/testing';
import { expect, it } from 'vitest';
import { CARD_ID, CardFixture, type Wish } from '../testing/card-fixture.js';
import { emptyBook } from './book.js';
import { decide } from './decide.js';

const capabilities = { has: capabilityNameSchema.options.map((name) => ({ name, limits: {} })), lacks: [] };
const before: Wish = { layers: [{ kind: 'encryption' }, { kind: 'raid1', legCount: 3 }], qos: { iopsTotal: 500 } };
const changes: readonly { name: string; change: Wish }[] = [
  { name: 'other limits', change: { qos: { iopsTotal: 900 } } },
  { name: 'a new key', change: { newStack: true } },
  { name: 'one larger leg', change: { newStack: true, layers: [], sizeBytes: 128 * 1024 ** 2 } },
];

const isObserved = (value: unknown): value is ObservedVolume => typeof value === 'object' && value !== null;

function decided(applied: DesiredVolume, desired: DesiredVolume, observed: ObservedVolume): string {
  const decision = decide({ cardId: CARD_ID, desired, observed, capabilities, book: { ...emptyBook, applied } });
  return decision.kind === 'conclude' ? decision.phase : decision.kind;
}

it.each(changes)('is not begun for $name when what is observed differs in any single field', async ({ change }) => {
  const card = new CardFixture();
  await card.start();
  const applied = await card.settle(before);
  const desired = card.next(change);
  const expected = expectedObservation(plannedVolumeOf(applied));
  expect(decided(applied, desired, expected)).toBe('run');
  const outcomes = new Map<string, Set<string>>();
  for (const { path, value } of singleDifferences(observedVolumeSchema, expected)) {
    // Where a client connects means nothing to a plan.
    if (!isObserved(value) || path === 'exports[].uri') continue;
    outcomes.set(path, (outcomes.get(path) ?? new Set()).add(decided(applied, desired, value)));
  }
  const all = new Set([...outcomes.values()].flatMap((ends) => [...ends]));
  expect([...all].filter((end) => end === 'run')).toEqual([]);
  expect([...(outcomes.get('head.qos.iopsTotal') ?? [])]).toEqual(['plan-changed']);
  expect([...(outcomes.get('copy') ?? [])]).toContain('plan-changed');
});
