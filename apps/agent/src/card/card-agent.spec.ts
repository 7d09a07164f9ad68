import { DataPlaneError } from '@flexbso/dataplane-port';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CARRIED_WRITES, CardFixture, VOLUME_ID } from '../testing/card-fixture.js';

const failing = (kind: string, options: { retryable?: boolean } = {}) => ({
  before: ({ method, step }: { method: string; step: { kind: string } | null }) => {
    if (method === 'perform' && step?.kind === kind) {
      throw new DataPlaneError({ code: 'data-plane-failed', detail: `${kind} fails` }, options);
    }
  },
});

describe('a card agent', () => {
  it('registers, asks, makes a volume and says that it is settled', async () => {
    const card = new CardFixture();
    await card.start();
    const desired = await card.settle({});
    expect(card.scheduler.registrations).toBe(1);
    expect(card.scheduler.said(desired.operationId)).toMatchObject({
      phase: 'settled',
      uri: 'memory://card-1/vol-0000000001',
      problem: null,
    });
    expect(card.scheduler.said(desired.operationId)?.steps.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual([
      'start-data-plane done',
      'open-leg done',
      'build-head done',
      'export-volume done',
    ]);
  });

  it('learns of a change by asking when the nudge is lost', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    const desired = await card.want({ qos: { iopsTotal: 500 } }, false);
    await card.untilSaid(desired, 'settled');
    expect(card.observed().head?.qos).toEqual({ iopsTotal: 500 });
  });

  it('swaps beneath the guest without losing a write, and closes the old leg last', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const before = card.card.guestWrites(VOLUME_ID);
    const desired = await card.settle({ newStack: true, layers: [{ kind: 'encryption' }] });
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
    expect(card.scheduler.said(desired.operationId)?.closedLegIds).toEqual(first.stack.legs.map(({ legId }) => legId));
    const phases = card.scheduler.volumeReports
      .filter(({ operationId }) => operationId === desired.operationId)
      .map(({ phase }) => phase);
    expect(phases.indexOf('applied')).toBeLessThan(phases.indexOf('settled'));
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });

  it('removes a volume on its tombstone only, and forgets it once that is known', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const gone = await card.settle({ tombstone: true });
    expect(card.observed().running).toBe(false);
    expect(card.scheduler.said(gone.operationId)?.closedLegIds).toEqual(first.stack.legs.map(({ legId }) => legId));
    await card.clock.runUntil('the journal is gone', () => card.journal.lines.size === 0);
  });

  it('opens a stack that carried the guest elsewhere as it is, and never formats it', async () => {
    const card = new CardFixture();
    await card.start();
    const desired = await card.settle({ carried: true, layers: [{ kind: 'encryption' }] });
    const kinds = card.scheduler.said(desired.operationId)?.steps.map(({ kind }) => kind);
    expect(kinds).toEqual(['start-data-plane', 'open-leg', 'open-encryption', 'build-head', 'export-volume']);
    expect(card.card.guestReads(VOLUME_ID)).toBe(CARRIED_WRITES);
  });

  it('ends what it has of a volume that was moved away at once, with its guest attached and its legs fenced', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    for (const { legId } of first.stack.legs) card.world.leg(legId).serving = { epoch: 2, holderCardId: 'card-2' };
    const gone = await card.settle({ tombstone: true, movedTo: 'card-2', origin: 'healing' });
    expect(card.scheduler.said(gone.operationId)?.steps.map(({ kind }) => kind)).toEqual(['stop-data-plane']);
    expect(card.observed().running).toBe(false);
    const [leg] = first.stack.legs;
    expect(card.world.leg(leg?.legId ?? '').serving).toEqual({ epoch: 2, holderCardId: 'card-2' });
  });

  it('does nothing that is meant for the new stack when its data plane lies about the cut-over', async () => {
    let lies = 2;
    const card = new CardFixture();
    await card.start(undefined, {
      lies: ({ step, method }) => method === 'perform' && step?.kind === 'cut-over' && lies-- > 0,
    });
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const before = card.card.guestWrites(VOLUME_ID);
    const desired = await card.settle({ newStack: true, sizeBytes: 2 * first.sizeBytes });
    const steps = card.scheduler.said(desired.operationId)?.steps.map(({ kind, outcome }) => `${kind} ${outcome}`);
    expect(steps?.slice(-3)).toEqual(['restore-limits done', 'grow-head done', 'close-stack done']);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });

  it('undoes a change that fails before its cut-over, and leaves the guest as it was', async () => {
    const card = new CardFixture();
    await card.start(undefined, failing('copy'));
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const before = card.card.guestWrites(VOLUME_ID);
    const desired = await card.want({ newStack: true, layers: [{ kind: 'encryption' }] });
    await card.untilSaid(desired, 'undone');
    const report = card.scheduler.said(desired.operationId);
    expect(report?.closedLegIds).toEqual(desired.stack.legs.map(({ legId }) => legId));
    expect(report?.problem?.detail).toContain('copy fails');
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it('tries again for a while what may succeed later', async () => {
    let failures = 3;
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ step, method }) => {
        if (method === 'perform' && step?.kind === 'open-leg' && failures-- > 0) {
          throw new DataPlaneError({ code: 'data-plane-failed', detail: 'the pool is away' }, { retryable: true });
        }
      },
    });
    await card.settle({});
    expect(card.scheduler.volumeReports.some(({ waitingFor }) => waitingFor?.includes('the pool is away'))).toBe(true);
  });

  it('never takes a swap back once it is cut over, however often a later step fails', async () => {
    let failures = 10;
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ step, method }) => {
        if (method === 'perform' && step?.kind === 'restore-limits' && failures-- > 0) {
          throw new DataPlaneError({ code: 'data-plane-failed', detail: 'not now' });
        }
      },
    });
    await card.settle({ qos: { iopsTotal: 500 } });
    const desired = await card.settle({ newStack: true });
    expect(card.observed().head).toMatchObject({ stackGeneration: desired.stack.stackGeneration, widened: false });
  });

  it('does not begin a plan that is not the accepted one, and shows both', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const desired = {
      ...card.next({ qos: { iopsTotal: 500 } }),
      plan: { digest: 'f'.repeat(64), cutOver: false, destroys: [] },
    };
    await card.scheduler.want(VOLUME_ID, desired);
    await card.untilSaid(desired, 'plan-changed');
    expect(card.scheduler.said(desired.operationId)?.problem?.facts).toMatchObject({
      acceptedDigest: 'f'.repeat(64),
      steps: 'set-limits',
    });
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
  });

  it('does nothing twice when a message comes twice', async () => {
    const performed: string[] = [];
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => {
        if (method === 'perform') performed.push(step?.kind ?? '');
      },
    });
    await card.settle({});
    const desired = await card.settle({ qos: { iopsTotal: 500 } });
    await card.scheduler.nudge(1, [{ ...desired, revision: 2 }]);
    await card.scheduler.nudge(1, [{ ...desired, revision: 2 }]);
    await card.clock.run(20_000);
    expect(performed.filter((kind) => kind === 'set-limits')).toHaveLength(1);
  });

  it('asks at once when a nudge shows that one before it was lost', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    const desired = await card.want({ qos: { iopsTotal: 500 } }, false);
    const beforeMs = card.clock.nowMs();
    await card.scheduler.want('vol-0000000002', { ...desired, volumeId: 'vol-0000000002', tombstone: true });
    await card.untilSaid(desired, 'settled');
    expect(card.clock.nowMs() - beforeMs).toBeLessThan(100);
  });

  it('ignores an older nudge', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    await card.settle({ qos: { iopsTotal: 500 } });
    await card.scheduler.nudge(0, [{ ...first, revision: 1 }]);
    await card.clock.run(20_000);
    expect(card.observed().head?.qos).toEqual({ iopsTotal: 500 });
  });

  it('takes nothing from another incarnation, goes on, and says that it diverged', async () => {
    const card = new CardFixture();
    await card.start();
    const desired = await card.settle({});
    const follows = card.scheduler.incarnation;
    card.scheduler.incarnation = crypto.randomUUID();
    card.scheduler.items.clear();
    await card.clock.runUntil(
      'diverged is said',
      () => card.scheduler.envelopes.at(-1)?.diverged?.includes('incarnation') === true,
    );
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
    // An order of the one before that comes late: what it is about may have been settled without it.
    const { incarnation, revision } = card.scheduler;
    Object.assign(card.scheduler, { incarnation: follows, revision: revision + 1 });
    const late = { ...desired, qos: { iopsTotal: 500 }, operationId: 'op-late000001', revision: revision + 1 };
    await card.scheduler.nudge(revision, [late]);
    Object.assign(card.scheduler, { incarnation, revision });
    await card.clock.run(20_000);
    expect(card.scheduler.said(late.operationId)).toBeUndefined();
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });

  it('refuses the nudge of a scheduler that was replaced, after its own restart too', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    card.scheduler.term = 2;
    const desired = await card.settle({});
    await agent.stop();
    await card.start();
    const { revision } = card.scheduler;
    card.scheduler.term = 1;
    card.scheduler.revision = revision + 1;
    const stale = { ...desired, qos: { iopsTotal: 500 }, revision: revision + 1 };
    await card.scheduler.nudge(revision, [stale]);
    card.scheduler.term = 2;
    card.scheduler.revision = revision;
    await card.clock.run(20_000);
    expect(card.observed().head?.qos).toBeNull();
    expect(card.scheduler.envelopes.every(({ diverged }) => diverged === null)).toBe(true);
  });

  it('takes nothing from a whole answer that lacks what runs', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const desired = await card.settle({});
    await agent.stop();
    await card.store.save({ v: 1, incarnation: card.scheduler.incarnation, term: 0, revision: 0, items: [] });
    card.scheduler.items.clear();
    await card.start();
    await card.clock.runUntil(
      'diverged is said',
      () => card.scheduler.envelopes.at(-1)?.diverged?.includes(VOLUME_ID) === true,
    );
    expect(isSettled(card.observed(), plannedVolumeOf(desired))).toBe(true);
  });

  it('builds a volume again when its data plane dies, without formatting and without asking', async () => {
    const card = new CardFixture();
    await card.start();
    const desired = await card.settle({ layers: [{ kind: 'encryption' }] });
    const before = card.card.guestWrites(VOLUME_ID);
    card.card.kill(VOLUME_ID);
    await card.clock.runUntil('it is served again', () => isSettled(card.observed(), plannedVolumeOf(desired)));
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it('builds everything again after the machine restarts while the control plane is away', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    const desired = await card.settle({ layers: [{ kind: 'raid1' }] });
    const before = card.card.guestWrites(VOLUME_ID);
    await agent.stop();
    card.card.killAll();
    card.scheduler.onMessage = () => Promise.reject(new Error('nobody is there'));
    await card.start();
    await card.clock.runUntil('it is served again', () => isSettled(card.observed(), plannedVolumeOf(desired)));
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it.each(['person', 'healing'] as const)(
    'opens no stack for a change by a %s when its journal is lost and nothing runs any more',
    async (origin) => {
      const card = new CardFixture();
      const agent = await card.start();
      await card.settle({});
      await agent.stop();
      card.card.killAll();
      card.journal.lines.clear();
      const desired = await card.want({ newStack: true, origin }, false);
      await card.start();
      await card.untilSaid(desired, 'needs-operator');
      expect(card.observed().running).toBe(false);
    },
  );

  it('says at the end how much was copied, although the record of the copy is gone by then', async () => {
    const card = new CardFixture();
    await card.start();
    const { sizeBytes } = await card.settle({});
    const desired = await card.settle({ newStack: true });
    expect(card.scheduler.said(desired.operationId)).toMatchObject({ phase: 'settled', bytesCopied: sizeBytes });
  });

  it('says a report until it is accepted', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    let refusals = 5;
    card.scheduler.onMessage = (verb) => {
      if (verb === 'report' && refusals-- > 0) throw new Error('lost');
    };
    await card.settle({ qos: { iopsTotal: 500 } });
    expect(refusals).toBeLessThan(0);
  });

  it('asks again when its report is of an old operation', async () => {
    const card = new CardFixture();
    await card.start();
    await card.settle({});
    card.scheduler.isStale = () => true;
    const { questions } = card.scheduler;
    const desired = await card.want({ qos: { iopsTotal: 500 } });
    await card.untilSaid(desired, 'settled');
    expect(card.scheduler.questions).toBeGreaterThan(questions);
  });

  it('drops a change that is superseded during its copy, and makes the newer one', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    const before = card.card.guestWrites(VOLUME_ID);
    await card.want({ newStack: true });
    await card.clock.runUntil('it copies', () => card.observed().copy?.state === 'running');
    const back = {
      ...first,
      generation: 3,
      operationId: 'op-0000000003',
      changeId: 'chg-0000000003',
      origin: 'healing' as const,
    };
    await card.scheduler.want(VOLUME_ID, back);
    await card.untilSaid(back, 'settled');
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
    expect(card.scheduler.said(back.operationId)?.closedLegIds).toEqual(['leg-0000000020']);
    expect(card.card.guestReads(VOLUME_ID)).toBe(before);
  });

  it('stops as needs-operator when the cut-over is recorded and the head is on the old stack without a copy', async () => {
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => {
        if (method !== 'perform' || step?.kind !== 'cut-over') return;
        card.card.setCopy(VOLUME_ID, null);
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'the copy is gone' });
      },
    });
    await card.settle({});
    const desired = await card.want({ newStack: true });
    await card.untilSaid(desired, 'needs-operator');
    const { stacks } = card.observed();
    await card.clock.run(60_000);
    expect(card.observed().stacks).toEqual(stacks);
  });

  it('goes back when the copy itself shows that the intended cut-over never happened', async () => {
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => {
        const copy = card.card.copyOf(VOLUME_ID);
        if (method !== 'perform' || step?.kind !== 'cut-over' || !copy) return;
        copy.state = 'failed';
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'the copy failed' });
      },
    });
    const first = await card.settle({});
    const desired = await card.want({ newStack: true });
    await card.untilSaid(desired, 'undone');
    expect(isSettled(card.observed(), plannedVolumeOf(first))).toBe(true);
  });

  it('never says applied when the data plane lies', async () => {
    const card = new CardFixture();
    let isLying = true;
    await card.start(undefined, {
      lies: ({ method, step }) => isLying && method === 'perform' && step?.kind === 'set-limits',
    });
    await card.settle({});
    const desired = await card.want({ qos: { iopsTotal: 500 } });
    await card.clock.runUntil(
      'it noticed',
      () => card.scheduler.said(desired.operationId)?.problem?.detail.includes('not what they make') === true,
    );
    isLying = false;
    await card.untilSaid(desired, 'settled');
    expect(card.observed().head?.qos).toEqual({ iopsTotal: 500 });
  });
});
