import type { DesiredVolume } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { type LegClaim, isTaken } from './leg-claims.js';

/** The legs of its stack for another volume, as no scheduler should ever want it. */
const claimOf = (desired: DesiredVolume): DesiredVolume => ({
  ...desired,
  generation: 1,
  volumeId: 'vol-0000000002',
  operationId: 'op-0000000777',
  changeId: 'chg-0000000777',
  origin: 'healing',
});

describe('a leg that two volumes claim', () => {
  it('stays with the one that runs on it; the other is taken back with the reason, and nothing of the first is touched', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const before = card.observed();
    const claim = claimOf(first);
    await card.scheduler.want(claim.volumeId, claim);
    await card.untilSaid(claim, 'undone');
    const problem = card.scheduler.said(claim.operationId)?.problem;
    expect(problem).toMatchObject({ code: 'needs-operator', facts: { volumeId: VOLUME_ID } });
    expect(problem?.detail).toMatch(/^leg-\d+ is wanted for vol-0000000002, and vol-0000000001 has it on card-1/);
    expect(card.observed()).toEqual(before);
  });

  it.each<{ what: string; claimed: (card: CardFixture) => Promise<DesiredVolume> }>([
    {
      what: 'a stack that is being copied to',
      claimed: async (card) => {
        await card.settle({});
        const target = await card.want({ newStack: true, layers: [{ kind: 'encryption' }] });
        await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
        return target;
      },
    },
    {
      what: 'a stack that a snapshot is, beneath the one that it runs on',
      claimed: async (card) => {
        const base = await card.settle({});
        await card.settle({ snapshot: true });
        return base;
      },
    },
    {
      what: 'a stack that only snapshots keep',
      claimed: async (card) => {
        const base = await card.settle({});
        const { legs, ...stack } = base.stack;
        const kept = {
          snapshots: [],
          stacks: [{ ...stack, legs: legs.map(({ legId, poolId }) => ({ legId, poolId })) }],
        };
        const flat = { ...card.next({ newStack: true }), kept };
        await card.scheduler.want(VOLUME_ID, flat);
        await card.untilSaid(flat, 'settled');
        return base;
      },
    },
  ])('stays with the volume that has it as part of $what', async ({ claimed }) => {
    const card = new CardFixture();
    await card.start();
    const claim = claimOf(await claimed(card));
    await card.scheduler.want(claim.volumeId, claim);
    await card.untilSaid(claim, 'undone');
    expect(card.scheduler.said(claim.operationId)?.problem).toMatchObject({
      code: 'needs-operator',
      facts: { volumeId: VOLUME_ID },
    });
  });

  it('is not opened for another while the journal of its volume cannot be read', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const first = await card.settle({});
    await agent.stop();
    card.journal.lines.set(VOLUME_ID, ['{"kind":"nothing that is known"}']);
    await card.start();
    const claim = claimOf(first);
    await card.scheduler.want(claim.volumeId, claim);
    await card.untilSaid(claim, 'undone');
    expect(card.scheduler.said(claim.operationId)?.problem).toMatchObject({ facts: { volumeId: VOLUME_ID } });
  });

  it('may be opened again by the volume that runs on it', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    card.card.kill(VOLUME_ID);
    await card.clock.run(10_000);
    expect(card.observed().head).not.toBeNull();
  });
});

const applied = (claim: LegClaim): LegClaim => ({ ...claim, isApplied: true });

describe('which claims on a leg exclude each other', () => {
  const legId = 'leg-0000000010';
  const written: LegClaim = { legId, isWritten: true, isShared: false, isApplied: false };
  const base: LegClaim = { ...written, isWritten: false };
  const shared: LegClaim = { ...base, isShared: true };

  it.each<{ what: string; mine: LegClaim; theirs: LegClaim; taken: boolean }>([
    { what: 'two that write', mine: written, theirs: written, taken: true },
    { what: 'one that writes and one that reads', mine: written, theirs: base, taken: true },
    { what: 'two bases, none of them of a clone', mine: base, theirs: base, taken: true },
    { what: 'a clone and the volume of its snapshot', mine: shared, theirs: base, taken: false },
    { what: 'the volume of a snapshot and a clone', mine: base, theirs: shared, taken: false },
    { what: 'two clones', mine: shared, theirs: shared, taken: false },
    { what: 'a clone and one that writes', mine: shared, theirs: written, taken: true },
    { what: 'one that writes and a clone', mine: written, theirs: shared, taken: true },
    { what: 'what carries a guest, and what is only wanted', mine: applied(written), theirs: written, taken: false },
    { what: 'what is only wanted, and what carries a guest', mine: written, theirs: applied(written), taken: true },
    { what: 'two that carry a guest', mine: applied(written), theirs: applied(written), taken: true },
  ])('$what', ({ mine, theirs, taken }) => {
    expect(isTaken(legId, [mine], [theirs])).toBe(taken);
    expect(isTaken('leg-0000000011', [mine], [theirs])).toBe(false);
  });

  it('also those of a leg for which a volume has two uses, or none that its journal names', () => {
    expect(isTaken(legId, [base, written], [shared])).toBe(true);
    expect(isTaken(legId, [], [base])).toBe(true);
  });
});
