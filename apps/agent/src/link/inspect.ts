import { type InspectAnswer, MAX_INSPECTED } from '@flexbso/contracts';
import type { RolePart } from '../role.js';
import type { AgentState, DesiredItem } from './agent-state.js';

/** What runs here and what was last given, in the order of their names; `after`: the last name that was told before. */
export async function inspect<Item extends DesiredItem>(
  role: RolePart<Item>,
  { incarnation, revision, items }: AgentState<Item>,
  after = '',
): Promise<InspectAnswer> {
  const running = new Set(await role.running());
  const given = new Map(items.map((item) => [role.nameOf(item), item]));
  // What the agent goes by is all that anybody knows of what runs, where the state is behind it.
  for (const [name, item] of role.wanted()) {
    if (item) given.set(name, item);
    else given.delete(name);
  }
  const names = [...new Set([...running, ...given.keys()])].filter((name) => name > after).toSorted();
  const told = names.slice(0, MAX_INSPECTED);
  const { volumes, legs } = await role.inspect(told.filter((name) => running.has(name)));
  return {
    v: 1,
    total: running.size,
    volumes: [...volumes],
    legs: [...legs],
    incarnation,
    revision,
    given: givenOf(told.flatMap((name) => given.get(name) ?? [])),
    next: names.length > told.length ? (told.at(-1) ?? null) : null,
  };
}

function givenOf(items: readonly DesiredItem[]): InspectAnswer['given'] {
  return {
    volumes: items.filter((item) => 'stack' in item),
    legs: items.filter((item) => 'legId' in item),
  };
}
