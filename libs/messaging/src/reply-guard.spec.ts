import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeReply } from './reply-guard.js';

const up = 'bso.card.card-1.up.report';

describe('the guard of reply subjects', () => {
  it('lets an agent be answered under its own inbox', () => {
    const replySubject = '_INBOX.card.card-1.abc.1';
    expect(judgeReply(up, replySubject)).toEqual({ kind: 'answer', replySubject });
  });

  it.each([
    ['another card', '_INBOX.card.card-2.abc'],
    ['a card whose id begins the same', '_INBOX.card.card-10.abc'],
    ['the pool of the same id', '_INBOX.pool.card-1.abc'],
    ['the prefix itself', '_INBOX.card.card-1'],
    ['an empty token', '_INBOX.card.card-1.'],
    ['a wildcard', '_INBOX.card.card-1.*'],
    ['everything beneath', '_INBOX.card.card-1.>'],
    ['a service', '_INBOX.service.scheduler.abc'],
    ['a request', 'bso.rpc.scheduler.delete-volume'],
    ['JetStream', '$JS.API.STREAM.DELETE.BSO_EVENTS'],
  ])('quarantines an agent that wants the answer to go to %s', (_what, replySubject) => {
    const quarantine = { role: 'card', id: 'card-1', subject: up, replySubject };
    expect(judgeReply(up, replySubject)).toEqual({ kind: 'quarantine', quarantine });
  });

  it('never answers an agent anywhere but beneath its own inbox', () => {
    const token = fc.stringMatching(/^[a-z0-9$_*>-]{0,6}$/);
    const subject = fc.array(fc.oneof(token, fc.constantFrom('_INBOX', 'card', 'card-1')), { maxLength: 6 });
    fc.assert(
      fc.property(subject, (tokens) => {
        const verdict = judgeReply(up, tokens.join('.'));
        const wild = tokens.some((one) => ['', '*', '>'].includes(one));
        const beneath = tokens.length > 3 && tokens.slice(0, 3).join('.') === '_INBOX.card.card-1';
        expect(verdict.kind === 'answer').toBe(beneath && !wild);
        expect(verdict.kind).not.toBe('drop');
      }),
    );
  });

  it('answers a request of a service under some inbox of services only', () => {
    const subject = 'bso.rpc.scheduler.get-volume';
    expect(judgeReply(subject, '_INBOX.service.gateway.abc').kind).toBe('answer');
    expect(judgeReply(subject, '_INBOX.card.card-1.abc').kind).toBe('drop');
    expect(judgeReply(subject, 'bso.rpc.inventory.cordon-card').kind).toBe('drop');
  });

  it('answers nothing on a subject that nobody may ask on', () => {
    expect(judgeReply('bso.evt.card.card-1.registered', '_INBOX.service.gateway.abc').kind).toBe('drop');
  });

  it('takes a message without a reply subject as a notice', () => {
    expect(judgeReply(up, undefined)).toEqual({ kind: 'silent' });
    expect(judgeReply(up, '')).toEqual({ kind: 'silent' });
  });
});
