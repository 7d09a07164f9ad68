import { expectedObservation, plannedVolumeOf } from '@flexbso/stack';
import { expect, it } from 'vitest';
import { CardFixture, VOLUME_ID, type Wish } from '../testing/card-fixture.js';

const encryption = { kind: 'encryption' } as const;
const compression = { kind: 'compression' } as const;
const mirror = (legCount: number, safeRead = false) => ({ kind: 'raid1', legCount, safeRead }) as const;

interface Stack {
  readonly name: string;
  readonly layers: NonNullable<Wish['layers']>;
  /** Only one leg becomes larger. */
  readonly canGrow: boolean;
}
const catalogue: readonly Stack[] = [
  { name: 'one plain leg', layers: [], canGrow: true },
  { name: 'one encrypted leg', layers: [encryption], canGrow: true },
  { name: 'two legs', layers: [mirror(2)], canGrow: false },
  { name: 'three legs with safe reads', layers: [mirror(3, true)], canGrow: false },
  { name: 'an encrypted mirror', layers: [encryption, mirror(3)], canGrow: false },
  { name: 'compressed', layers: [compression], canGrow: false },
  { name: 'compressed and encrypted over a mirror', layers: [compression, encryption, mirror(2)], canGrow: false },
];
const pairs = catalogue.flatMap((from) => catalogue.map((to) => ({ from, to })));

// Always onto other legs, which is a move; from one encrypted stack to another it is a re-key.
it.each(pairs)(
  'goes from $from.name to $to.name on other legs, with other limits and more bytes where it can, by one swap',
  async ({ from, to }) => {
    const card = new CardFixture();
    await card.start();
    await card.settle({ layers: from.layers, qos: { iopsTotal: 500 } });
    const written = card.card.guestWrites(VOLUME_ID);
    const all: Wish = { newStack: true, layers: to.layers, qos: { iopsTotal: 900, bytesPerSecondRead: 1024 ** 2 } };
    const wanted = await card.settle({ ...all, ...(to.canGrow ? { sizeBytes: 128 * 1024 ** 2 } : {}) });
    const steps = card.scheduler.said(wanted.operationId)?.steps ?? [];
    expect(steps.filter(({ kind }) => kind === 'cut-over')).toHaveLength(1);
    const { exports: shown, ...observed } = card.observed();
    const { exports: expected, ...rest } = expectedObservation(plannedVolumeOf(wanted));
    expect(observed).toEqual(rest);
    expect(shown).toMatchObject(expected.map(({ protocol, functionId }) => ({ protocol, functionId })));
    expect(card.card.guestReads(VOLUME_ID)).toBe(written);
  },
);
