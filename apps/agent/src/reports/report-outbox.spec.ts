import { ProblemError } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../testing/virtual-clock.js';
import { silent } from '../testing/test-agent.js';
import { ReportOutbox } from './report-outbox.js';

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
    smaller: (report) => (report === 'nothing' ? null : { report: `less of: ${report}` }),
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

  it.each(Array.from({ length: 12 }, (_, turns) => turns))(
    'says what is put %i turns after the last one was through, with nothing put behind it',
    async (turns) => {
      const { clock, outbox, sent } = outboxOf(() => undefined);
      const isThrough = (): boolean => sent.length > 0;
      outbox.put('vol', 'begins', {}, false);
      while (!isThrough()) await Promise.resolve();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      outbox.put('vol', 'settled', {}, true);
      await clock.run(10_000);
      expect(sent.map(({ report }) => report)).toEqual(['begins', 'settled']);
    },
  );

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

  it.each(['invalid-request', 'body-too-large'] as const)(
    'says what is refused as %s once more, smaller',
    async (code) => {
      let attempts = 0;
      const { clock, outbox, sent } = outboxOf((report) => {
        attempts++;
        if (!report.startsWith('less of')) throw new ProblemError({ code, detail: 'no such field' });
      });
      outbox.put('vol', 'settled, with much', {}, true);
      await clock.run(60_000);
      expect(sent.map(({ report }) => report)).toEqual(['less of: settled, with much']);
      expect(attempts).toBe(2);
    },
  );

  it.each([
    { report: 'odd', code: 'invalid-request', attempted: ['odd', 'less of: odd'] },
    { report: 'huge', code: 'body-too-large', attempted: ['huge', 'less of: huge'] },
    { report: 'nothing', code: 'invalid-request', attempted: ['nothing'] },
    { report: 'of another', code: 'forbidden', attempted: ['of another'] },
  ] as const)('does not repeat for ever what is refused as $code', async ({ report, code, attempted }) => {
    const attempts: string[] = [];
    const { clock, outbox } = outboxOf((said) => {
      attempts.push(said);
      throw new ProblemError({ code, detail: 'never' });
    });
    outbox.put('vol', report, {}, true);
    await clock.run(60_000);
    expect(attempts).toEqual(attempted);
  });

  it('says a newer report in full after one that was refused', async () => {
    const { clock, outbox, sent } = outboxOf((report) => {
      if (report === 'odd') {
        outbox.put('vol', 'newer', {}, true);
        throw new ProblemError({ code: 'invalid-request', detail: 'never' });
      }
    });
    outbox.put('vol', 'odd', {}, true);
    await clock.run(60_000);
    expect(sent.map(({ report }) => report)).toEqual(['newer']);
  });
});
