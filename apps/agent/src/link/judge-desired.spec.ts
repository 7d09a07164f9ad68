import { describe, expect, it } from 'vitest';
import type { AgentState } from './agent-state.js';
import { type DesiredMessage, judgeAnswer, judgeNudge } from './judge-desired.js';

interface Item {
  readonly name: string;
  readonly revision: number;
  readonly paused?: true | undefined;
}
const nameOf = ({ name }: Item) => name;
const state: AgentState<Item> = { v: 1, incarnation: 'one', term: 3, revision: 5, items: [{ name: 'a', revision: 3 }] };
const message: DesiredMessage<Item> = {
  incarnation: 'one',
  term: 3,
  sinceRevision: 5,
  revision: 6,
  items: [{ name: 'b', revision: 6 }],
};

function judge(answer: DesiredMessage<Item>, running: readonly string[] = []) {
  return judgeAnswer(state, answer, running, nameOf);
}

describe('what an agent makes of a nudge', () => {
  it('applies one that begins where it is', () => {
    expect(judgeNudge(state, message, nameOf)).toMatchObject({
      kind: 'apply',
      items: message.items,
      state: { revision: 6, items: [...state.items, ...message.items] },
    });
  });

  it('ignores what it has, and asks after a gap or another incarnation', () => {
    expect(judgeNudge(state, { ...message, revision: 5, sinceRevision: 4 }, nameOf).kind).toBe('ignore');
    expect(judgeNudge(state, { ...message, revision: 8, sinceRevision: 7 }, nameOf).kind).toBe('ask');
    expect(judgeNudge(state, { ...message, incarnation: 'two' }, nameOf).kind).toBe('ask');
  });
});

describe('what an agent makes of a scheduler that was replaced', () => {
  it('takes none of its nudges, whatever they say, and remembers the term of its successor', () => {
    const stale = { ...message, term: 2 };
    expect(judgeNudge(state, stale, nameOf)).toEqual({ kind: 'stale', term: 2, heard: 3 });
    expect(judgeNudge(state, { ...stale, incarnation: 'two' }, nameOf).kind).toBe('stale');
    expect(judgeNudge(state, { ...message, term: 4 }, nameOf)).toMatchObject({ kind: 'apply', state: { term: 4 } });
    expect(judge({ ...message, term: 4, revision: 5, items: [] })).toMatchObject({ kind: 'apply', state: { term: 4 } });
  });

  it('says that it diverged when answers are of an older term', () => {
    expect(judge({ ...message, term: 2 })).toMatchObject({ kind: 'diverged' });
  });

  it('judges a message without a term by the rest, and keeps what it has heard', () => {
    expect(judgeNudge(state, { ...message, term: 0 }, nameOf)).toMatchObject({ kind: 'apply', state: { term: 3 } });
  });
});

describe('what an agent makes of an answer', () => {
  it('takes nothing from another incarnation or a revision below its own', () => {
    expect(judge({ ...message, incarnation: 'two' }).kind).toBe('diverged');
    expect(judge({ ...message, revision: 4 }).kind).toBe('diverged');
  });

  it('comes over to another incarnation once an operator has settled exactly what it was given', () => {
    const other = { ...message, incarnation: 'two', sinceRevision: 0, takesOver: { incarnation: 'one', revision: 5 } };
    expect(judge(other, ['b'])).toEqual({
      kind: 'apply',
      state: { v: 1, incarnation: 'two', term: 3, revision: 6, items: other.items },
      items: other.items,
    });
    expect(judge({ ...other, takesOver: { incarnation: 'one', revision: 4 } }).kind).toBe('diverged');
    expect(judge({ ...other, takesOver: { incarnation: 'zero', revision: 5 } }).kind).toBe('diverged');
    expect(judge({ ...other, sinceRevision: 5 }).kind).toBe('diverged');
    expect(judge({ ...other, revision: 5 }).kind).toBe('diverged');
    expect(judge(other, ['a', 'b'])).toMatchObject({ kind: 'diverged', differences: expect.stringContaining('a') });
  });

  it('takes nothing from a whole answer that lacks what runs, and names it', () => {
    const whole = { ...message, sinceRevision: 0 };
    expect(judge(whole, ['a', 'b'])).toEqual({
      kind: 'diverged',
      differences: 'the whole answer lacks what runs here: a',
      resumed: [],
    });
    expect(judge(whole, ['b']).kind).toBe('apply');
  });

  it('goes on with what it holds once another incarnation says that nothing is paused, and takes nothing else of it', () => {
    const holding = { ...state, items: [...state.items, { name: 'held', revision: 4, paused: true as const }] };
    const other: DesiredMessage<Item> = { ...message, incarnation: 'two', resumed: true };
    const judged = judgeAnswer(holding, other, [], nameOf);
    expect(judged).toMatchObject({ kind: 'diverged', resumed: [{ name: 'held', revision: 4, paused: undefined }] });
    expect(judgeAnswer(holding, { ...other, resumed: undefined }, [], nameOf)).toMatchObject({ resumed: [] });
    expect(judgeAnswer(holding, { ...other, incarnation: 'one', term: 2 }, [], nameOf)).toMatchObject({ resumed: [] });
  });

  it('keeps what an answer does not name, and its own newer entry of what it names', () => {
    const older = { ...message, items: [{ name: 'a', revision: 2 }] };
    expect(judge(older)).toMatchObject({ kind: 'apply', items: [], state: { revision: 6, items: state.items } });
  });

  it('follows the first incarnation that it hears of', () => {
    const fresh: AgentState<Item> = { v: 1, incarnation: null, term: 0, revision: 0, items: [] };
    expect(judgeAnswer(fresh, { ...message, sinceRevision: 0 }, [], nameOf)).toMatchObject({
      kind: 'apply',
      state: { incarnation: 'one' },
    });
  });
});
