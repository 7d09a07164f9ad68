import { MAX_MESSAGE_BYTES, ProblemError } from '@flexbso/contracts';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { backoffMs } from './backoff.js';
import { decodeJson, encodeJson, openReply, problemReply, valueReply } from './envelope.js';
import { ReconnectPace } from './reconnect-pace.js';
import { routeOf, subjectMatches } from './rpc/route.js';
import { isNewEnough } from './server-version.js';
import { subjectTemplate } from './trace.js';

const codeOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
  return 'no problem';
};

describe('a backoff', () => {
  it('doubles up to its maximum, half of it by chance', () => {
    const backoff = { firstMs: 100, maxMs: 1000 };
    expect([0, 1, 2, 3, 4, 1000].map((attempt) => backoffMs(attempt, backoff, () => 1))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect([0, 3, 1000].map((attempt) => backoffMs(attempt, backoff, () => 0))).toEqual([50, 400, 500]);
  });
});

describe('the pace of reconnecting', () => {
  it('is the same however often it is asked, grows with each attempt to 5 s, and begins anew once connected', () => {
    const pace = new ReconnectPace(() => 1);
    const waits = Array.from({ length: 7 }, () => {
      pace.attempted();
      return [pace.waitMs, pace.waitMs];
    });
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000].map((ms) => [ms, ms]));
    pace.connected();
    expect(pace.waitMs).toBe(250);
  });
});

describe('messages', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(openReply(valueReply(value, 'x'), z.unknown(), 'x')).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(openReply(valueReply(undefined, 'x'), z.null(), 'x')).toBeNull();
  });

  it('carry a problem to the one who asked', () => {
    const reply = problemReply({ code: 'pool-full', detail: 'full' });
    expect(codeOf(() => openReply(reply, z.unknown(), 'x'))).toBe('pool-full');
  });

  it('carry a problem without its facts where these are too large', () => {
    const facts = { everything: 'x'.repeat(MAX_MESSAGE_BYTES) };
    const reply = problemReply({ code: 'pool-full', detail: 'full', facts });
    expect(codeOf(() => openReply(reply, z.unknown(), 'x'))).toBe('pool-full');
  });

  it('are refused when they are too large, not JSON, or no reply', () => {
    expect(codeOf(() => encodeJson('x'.repeat(MAX_MESSAGE_BYTES), 'x'))).toBe('body-too-large');
    expect(codeOf(() => decodeJson(new Uint8Array(MAX_MESSAGE_BYTES + 1), 'x'))).toBe('body-too-large');
    expect(codeOf(() => decodeJson(Uint8Array.of(0xff), 'x'))).toBe('malformed-json');
    expect(codeOf(() => openReply(encodeJson({ value: 1 }, 'x'), z.unknown(), 'x'))).toBe('internal');
  });
});

describe('a pattern of subjects', () => {
  it.each([
    ['bso.card.*.up.report', 'bso.card.card-1.up.report', true],
    ['bso.card.*.up.report', 'bso.card.card-1.up.register', false],
    ['bso.card.*.up.report', 'bso.card.card-1.up', false],
    ['bso.evt.>', 'bso.evt.card.card-1.registered', true],
    ['bso.evt.>', 'bso.evt', false],
    ['bso.evt.card', 'bso.evt.card.more', false],
  ])('%s and %s: %s', (pattern, subject, matches) => {
    expect(subjectMatches(pattern, subject)).toBe(matches);
  });

  it('has its ids left out in the names of spans', () => {
    expect(subjectTemplate('bso.card.card-1.up.report')).toBe('bso.card.*.up.report');
    expect(subjectTemplate('bso.evt.volume.vol-1.applied')).toBe('bso.evt.volume.*.applied');
    expect(subjectTemplate('bso.rpc.scheduler.get-volume')).toBe('bso.rpc.scheduler.get-volume');
  });

  it('is refused as a handler without a schema', () => {
    expect(() => routeOf('bso.rpc.scheduler.x', async () => undefined, {})).toThrow(/has no schema/);
    expect(() => routeOf({ cmd: 'x' }, async () => undefined, { schema: z.null() })).toThrow(/is not a subject/);
  });
});

describe('a server', () => {
  it.each([
    ['2.10.27', true],
    ['2.10.0', true],
    ['2.11.0-RC.1', true],
    ['3.0.0', true],
    ['2.9.10', false],
    ['1.20.0', false],
    ['unknown', false],
  ])('of version %s is new enough: %s', (version, enough) => {
    expect(isNewEnough(version)).toBe(enough);
  });
});
