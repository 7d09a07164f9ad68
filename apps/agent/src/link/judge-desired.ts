import type { AgentState } from './agent-state.js';

export interface DesiredMessage<Item> {
  readonly incarnation: string;
  readonly term: number;
  readonly sinceRevision: number;
  readonly revision: number;
  readonly items: readonly Item[];
  /** The life, and the revision of it, from which an operator lets the agent come over to this one. */
  readonly takesOver?: { readonly incarnation: string; readonly revision: number } | undefined;
  /** From another life: nothing is held any more, whatever the agent was told. */
  readonly resumed?: true | undefined;
}

/**
 * What to make of an answer or a nudge.
 * - apply: `state` is the new state, `items` are the entries that are new.
 * - ignore: the agent has it already.
 * - ask: it begins at another revision than the agent's.
 * - stale: a scheduler that was replaced speaks; nothing of it is believed.
 * - diverged: agent and scheduler disagree; nothing of it is acted on, and what runs goes on. `resumed` are the entries
 *   that were held and are not any more: a pause is about now, in whichever life of the database it was begun.
 */
export type Judgement<Item> =
  | { readonly kind: 'apply'; readonly state: AgentState<Item>; readonly items: readonly Item[] }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'ask' }
  | { readonly kind: 'stale'; readonly term: number; readonly heard: number }
  | { readonly kind: 'diverged'; readonly differences: string; readonly resumed: readonly Item[] };

type Entry = { readonly revision: number; readonly paused?: true | undefined };
type NameOf<Item> = (item: Item) => string;

/** A nudge is only ever a shortcut: whatever does not fit exactly is settled by asking. */
export function judgeNudge<Item extends Entry>(
  state: AgentState<Item>,
  nudge: DesiredMessage<Item>,
  nameOf: NameOf<Item>,
): Judgement<Item> {
  if (isStale(state, nudge)) return { kind: 'stale', term: nudge.term, heard: state.term };
  if (nudge.incarnation !== state.incarnation) return { kind: 'ask' };
  if (nudge.revision <= state.revision) return { kind: 'ignore' };
  if (nudge.sinceRevision !== state.revision) return { kind: 'ask' };
  return merged(state, nudge, nameOf);
}

/** `running`: names of what runs here, whether or not the state knows it. Absence from a whole answer is never an order. */
export function judgeAnswer<Item extends Entry>(
  state: AgentState<Item>,
  answer: DesiredMessage<Item>,
  running: readonly string[],
  nameOf: NameOf<Item>,
): Judgement<Item> {
  const isOther = state.incarnation !== null && answer.incarnation !== state.incarnation;
  if (isOther && !takesOver(state, answer)) {
    const differences = `the answer is from incarnation ${answer.incarnation}, this agent follows ${state.incarnation}`;
    return diverged(differences, answer.resumed ? resumedOf(state.items) : []);
  }
  if (isStale(state, answer)) {
    const differences = `the answer is of term ${answer.term}, this agent has heard term ${state.term}: a scheduler that was replaced speaks, or its database was put back`;
    return diverged(differences);
  }
  if (isOther ? answer.revision <= state.revision : answer.revision < state.revision) {
    const differences = `the answer's revision ${answer.revision} is below this agent's ${state.revision}`;
    return diverged(differences);
  }
  if (answer.sinceRevision !== 0 && answer.sinceRevision !== state.revision) return { kind: 'ask' };
  if (answer.sinceRevision === 0) {
    const named = new Set(answer.items.map(nameOf));
    const missing = running.filter((name) => !named.has(name));
    if (missing.length > 0) return diverged(`the whole answer lacks what runs here: ${shortList(missing)}`);
  }
  return isOther ? takenOver(state, answer) : merged(state, answer, nameOf);
}

function diverged<Item>(differences: string, resumed: readonly Item[] = []): Judgement<Item> {
  return { kind: 'diverged', differences, resumed };
}

function resumedOf<Item extends Entry>(items: readonly Item[]): Item[] {
  return items.filter(({ paused }) => paused).map((item) => ({ ...item, paused: undefined }));
}

/** An operator has settled what this agent was given, exactly as it has it now. */
function takesOver<Item>({ incarnation, revision }: AgentState<Item>, answer: DesiredMessage<Item>): boolean {
  const { takesOver: from, sinceRevision } = answer;
  return sinceRevision === 0 && from?.incarnation === incarnation && from.revision === revision;
}

/** What was given before and is not named has nothing running here: the operator has let it go. */
function takenOver<Item>(before: AgentState<Item>, answer: DesiredMessage<Item>): Judgement<Item> {
  const { incarnation, revision, items } = answer;
  const term = Math.max(before.term, answer.term);
  return { kind: 'apply', state: { v: 1, incarnation, term, revision, items }, items };
}

/** A message without a term is from a scheduler that knows none, and is judged by incarnation and revision alone. */
function isStale<Item>(state: AgentState<Item>, { term }: DesiredMessage<Item>): boolean {
  return term > 0 && term < state.term;
}

function merged<Item extends Entry>(
  state: AgentState<Item>,
  message: DesiredMessage<Item>,
  nameOf: NameOf<Item>,
): Judgement<Item> {
  const items = new Map(state.items.map((item) => [nameOf(item), item]));
  const fresh = message.items.filter((item) => (items.get(nameOf(item))?.revision ?? 0) < item.revision);
  for (const item of fresh) items.set(nameOf(item), item);
  const { incarnation, revision } = message;
  const term = Math.max(state.term, message.term);
  if (fresh.length === 0 && revision === state.revision && incarnation === state.incarnation && term === state.term)
    return { kind: 'ignore' };
  return { kind: 'apply', state: { v: 1, incarnation, term, revision, items: [...items.values()] }, items: fresh };
}

/** The report's field holds 500 characters: ten names of at most 40 fit. */
function shortList(names: readonly string[]): string {
  const more = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return `${names.slice(0, 10).join(', ')}${more}`;
}
