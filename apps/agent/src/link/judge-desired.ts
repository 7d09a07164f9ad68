import type { AgentState } from './agent-state.js';

export interface DesiredMessage<Item> {
  readonly incarnation: string;
  readonly sinceRevision: number;
  readonly revision: number;
  readonly items: readonly Item[];
}

/**
 * What to make of an answer or a nudge.
 * - apply: `state` is the new state, `items` are the entries that are new.
 * - ignore: the agent has it already.
 * - ask: it begins at another revision than the agent's.
 * - diverged: agent and scheduler disagree; nothing of it is acted on, and what runs goes on.
 */
export type Judgement<Item> =
  | { readonly kind: 'apply'; readonly state: AgentState<Item>; readonly items: readonly Item[] }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'ask' }
  | { readonly kind: 'diverged'; readonly differences: string };

type Entry = { readonly revision: number };
type NameOf<Item> = (item: Item) => string;

/** A nudge is only ever a shortcut: whatever does not fit exactly is settled by asking. */
export function judgeNudge<Item extends Entry>(
  state: AgentState<Item>,
  nudge: DesiredMessage<Item>,
  nameOf: NameOf<Item>,
): Judgement<Item> {
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
  if (state.incarnation !== null && answer.incarnation !== state.incarnation) {
    const differences = `the answer is from incarnation ${answer.incarnation}, this agent follows ${state.incarnation}`;
    return { kind: 'diverged', differences };
  }
  if (answer.revision < state.revision) {
    const differences = `the answer's revision ${answer.revision} is below this agent's ${state.revision}`;
    return { kind: 'diverged', differences };
  }
  if (answer.sinceRevision !== 0 && answer.sinceRevision !== state.revision) return { kind: 'ask' };
  if (answer.sinceRevision === 0) {
    const named = new Set(answer.items.map(nameOf));
    const missing = running.filter((name) => !named.has(name));
    if (missing.length > 0)
      return { kind: 'diverged', differences: `the whole answer lacks what runs here: ${shortList(missing)}` };
  }
  return merged(state, answer, nameOf);
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
  if (fresh.length === 0 && revision === state.revision && incarnation === state.incarnation) return { kind: 'ignore' };
  return { kind: 'apply', state: { v: 1, incarnation, revision, items: [...items.values()] }, items: fresh };
}

/** The report's field holds 500 characters: ten names of at most 40 fit. */
function shortList(names: readonly string[]): string {
  const more = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return `${names.slice(0, 10).join(', ')}${more}`;
}
