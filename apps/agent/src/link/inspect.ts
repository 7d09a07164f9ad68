import { type InspectAnswer, MAX_INSPECTED, MAX_MESSAGE_BYTES } from '@flexbso/contracts';
import type { RolePart } from '../role.js';
import type { AgentState, DesiredItem } from './agent-state.js';

/** What is observed of a thing is smaller than what was given of it, so that both fit one message. */
const MAX_GIVEN_BYTES = MAX_MESSAGE_BYTES / 2;

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
  const told = fitting(names.slice(0, MAX_INSPECTED), given);
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

/** As many as one message holds, and one in any case. */
function fitting<Item>(names: readonly string[], given: ReadonlyMap<string, Item>): readonly string[] {
  let bytes = 0;
  const over = names.findIndex((name, index) => {
    bytes += Buffer.byteLength(JSON.stringify(given.get(name) ?? null));
    return bytes > MAX_GIVEN_BYTES && index > 0;
  });
  return over === -1 ? names : names.slice(0, over);
}

function givenOf(items: readonly DesiredItem[]): InspectAnswer['given'] {
  return {
    volumes: items.filter((item) => 'stack' in item),
    legs: items.filter((item) => 'legId' in item),
  };
}
