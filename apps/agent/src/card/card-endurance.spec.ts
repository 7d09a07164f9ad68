import { DataPlaneError } from '@flexbso/dataplane-port';
import { isSettled, plannedVolumeOf } from '@flexbso/stack';
import { describe, expect, it } from 'vitest';
import { CardFixture, VOLUME_ID } from '../testing/card-fixture.js';
import { countedStepSpans } from '../testing/step-spans.js';

describe('a card agent in trouble that lasts', () => {
  it('touches nothing while a journal cannot be read, and goes on once it was mended', async () => {
    const card = new CardFixture();
    const agent = await card.start();
    await card.settle({});
    await agent.stop();
    const whole = card.journal.lines.get(VOLUME_ID) ?? [];
    card.journal.lines.set(VOLUME_ID, ['{"kind":"nonsense"}', ...whole]);
    await card.start();
    const desired = await card.want({ qos: { iopsTotal: 500 } });
    await card.untilSaid(desired, 'needs-operator');
    expect(card.scheduler.said(desired.operationId)?.problem?.detail).toContain(`the journal of ${VOLUME_ID}`);
    const count = card.scheduler.volumeReports.length;
    await card.clock.run(60_000);
    expect(card.scheduler.volumeReports.length).toBe(count);
    card.journal.lines.set(VOLUME_ID, whole);
    await card.untilSaid(desired, 'settled');
    expect(card.observed().head?.qos).toEqual({ iopsTotal: 500 });
  });

  it('says once that it needs somebody to build a volume again, and that it is settled when that was mended', async () => {
    let isMissing = false;
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => {
        if (isMissing && method === 'perform' && step?.kind === 'open-leg')
          throw new DataPlaneError({ code: 'step-failed', detail: 'half of its bytes are gone' });
      },
    });
    const desired = await card.settle({});
    isMissing = true;
    card.card.kill(VOLUME_ID);
    await card.untilSaid(desired, 'needs-operator');
    const report = card.scheduler.said(desired.operationId);
    expect(report?.problem).toMatchObject({ code: 'step-failed', detail: 'half of its bytes are gone' });
    const count = card.scheduler.volumeReports.length;
    await card.clock.run(60_000);
    expect(card.scheduler.volumeReports.filter(({ phase }) => phase === 'needs-operator')).toHaveLength(1);
    expect(card.scheduler.volumeReports.length).toBe(count);
    isMissing = false;
    await card.untilSaid(desired, 'settled');
    expect(card.observed().head).not.toBeNull();
  });

  it('clears a journal away that a crash left empty', async () => {
    const card = new CardFixture();
    card.journal.lines.set(VOLUME_ID, []);
    await card.start();
    await card.clock.run(1_000);
    expect(card.journal.lines.size).toBe(0);
  });

  it.each([
    { name: 'a step past the cut-over', kind: 'restore-limits', fails: 'the swap' },
    { name: 'the healing of what was applied', kind: 'open-leg', fails: 'the healing' },
  ])('keeps its journal short and its traces few while $name fails for hours', async ({ kind, fails }) => {
    let isFailing = false;
    let attempts = 0;
    const card = new CardFixture();
    await card.start(undefined, {
      before: ({ method, step }) => {
        if (!isFailing || method !== 'perform' || step?.kind !== kind) return;
        attempts++;
        throw new DataPlaneError({ code: 'data-plane-failed', detail: 'away' }, { retryable: true });
      },
    });
    const first = await card.settle({ qos: { iopsTotal: 500 } });
    const stepSpans = countedStepSpans();
    isFailing = true;
    const desired = fails === 'the swap' ? await card.want({ newStack: true }) : first;
    if (fails === 'the healing') card.card.kill(VOLUME_ID);
    await card.clock.run(4 * 3_600_000);
    expect(attempts).toBeGreaterThan(2_000);
    expect(card.journal.lines.get(VOLUME_ID)?.length).toBeLessThan(300);
    expect(stepSpans()).toBeLessThan(40);
    expect(stepSpans()).toBeGreaterThan(8);
    isFailing = false;
    await card.clock.runUntil('it is as wanted', () => isSettled(card.observed(), plannedVolumeOf(desired)));
  });

  it('says how a change ended in fewer words when the full report is refused', async () => {
    const card = new CardFixture();
    await card.start();
    const first = await card.settle({});
    card.scheduler.refuses = (report) =>
      'volumes' in report && report.volumes.some(({ phase, observed }) => phase === 'settled' && observed !== null);
    const desired = await card.want({ newStack: true });
    await card.untilSaid(desired, 'settled');
    expect(card.scheduler.said(desired.operationId)).toMatchObject({
      generation: desired.generation,
      closedLegIds: first.stack.legs.map(({ legId }) => legId),
      uri: 'memory://card-1/vol-0000000001',
      steps: [],
      problem: { code: 'invalid-request', detail: expect.stringContaining('the full report was refused') },
    });
  });
});
