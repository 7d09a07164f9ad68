import { MAX_MESSAGE_BYTES, ProblemError } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { aDesiredCardEntry } from '../testing/records.js';
import { desiredMessage } from './answer.js';

const head = {
  role: 'card' as const,
  agentId: 'card-1',
  incarnation: '018f2f60-0000-4000-8000-0000000000ff',
  term: 7,
  sinceRevision: 1,
  revision: 1900,
};

function entries(count: number) {
  return Array.from({ length: count }, (_, index) =>
    aDesiredCardEntry(index + 2, `vol-${String(index).padStart(10, '0')}`),
  );
}

describe('what an agent is sent', () => {
  it('is everything when it fits', () => {
    const message = desiredMessage(head, entries(3));
    expect(message).toMatchObject({ to: { role: 'card', id: 'card-1' }, sinceRevision: 1, revision: 1900, term: 7 });
    expect(message.items).toHaveLength(3);
  });

  it('ends at an earlier revision when it does not fit, so that the agent asks on', () => {
    const all = entries(1500);
    const message = desiredMessage(head, all);
    expect(JSON.stringify(message).length).toBeLessThan(MAX_MESSAGE_BYTES);
    expect(message.revision).toBe(message.items.at(-1)?.revision);
    const rest = desiredMessage(
      { ...head, sinceRevision: message.revision },
      all.filter(({ revision }) => revision > message.revision),
    );
    expect(message.items.length + rest.items.length).toBe(1500);
    expect(rest.revision).toBe(1900);
  });

  it('never cuts a whole state: what it lacked would look like absence', () => {
    expect(() => desiredMessage({ ...head, sinceRevision: 0 }, entries(1500))).toThrow(ProblemError);
  });
});
