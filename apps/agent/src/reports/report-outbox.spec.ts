import { ProblemError } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../testing/virtual-clock.js';
import { ReportOutbox } from './report-outbox.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function outboxOf(send: (report: string) => Promise<void> | void) {
  const clock = new VirtualClock();
  const sent: { report: string; atMs: number }[] = [];
  const startMs = clock.nowMs();
  const outbox = new ReportOutbox<string>({
    clock,
    random: { fraction: () => 0.5 },
    log: silent,
    send: async (report) => {
      await send(report);
      sent.push({ report, atMs: clock.nowMs() - startMs });
      return { stale: false };
    },
    onAccepted: () => undefined,
  });
  return { clock, outbox, sent };
}

describe('the outbox of reports', () => {
  it('says progress at most twice a second, and only the newest', async () => {
    const { clock, outbox, sent } = outboxOf(() => undefined);
    for (let percent = 0; percent < 100; percent++) {
      outbox.put('vol', `${percent} %`, {}, false);
      await clock.run(20);
    }
    await clock.run(500);
    expect(sent.length).toBeLessThanOrEqual(6);
    expect(sent.at(-1)?.report).toBe('99 %');
  });

  it('says what is urgent at once, also behind progress', async () => {
    const { clock, outbox, sent } = outboxOf(() => undefined);
    outbox.put('vol', 'begins', {}, false);
    await clock.run(10);
    outbox.put('vol', 'half', {}, false);
    outbox.put('vol', 'settled', {}, true);
    await clock.run(1);
    expect(sent.map(({ report }) => report)).toEqual(['begins', 'settled']);
  });

  it('repeats until it is accepted, with the newest in the place of an older one', async () => {
    let failures = 3;
    const { clock, outbox, sent } = outboxOf(() => {
      if (failures-- > 0) throw new ProblemError({ code: 'unavailable', detail: 'away' });
    });
    outbox.put('vol', 'applied', {}, true);
    await clock.run(10);
    outbox.put('vol', 'settled', {}, true);
    await clock.run(10_000);
    expect(sent.map(({ report }) => report)).toEqual(['settled']);
  });

  it('does not repeat for ever what is refused for its form', async () => {
    let attempts = 0;
    const { clock, outbox } = outboxOf(() => {
      attempts++;
      throw new ProblemError({ code: 'invalid-request', detail: 'no such field' });
    });
    outbox.put('vol', 'odd', {}, true);
    await clock.run(60_000);
    expect(attempts).toBe(1);
  });
});
