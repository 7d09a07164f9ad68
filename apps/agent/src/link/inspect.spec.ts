import {
  type DesiredLeg,
  type InspectAnswer,
  inspectAnswerSchema,
  MAX_MESSAGE_BYTES,
  type ObservedLeg,
} from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import type { RolePart } from '../role.js';
import type { AgentState } from './agent-state.js';
import { inspect } from './inspect.js';

const legIds = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `leg-${String(from + at).padStart(10, '0')}`);
const wanted = (legId: string): DesiredLeg => ({
  legId,
  revision: 3,
  operationId: 'op-0000000001',
  changeId: 'chg-0000000001',
  volumeId: 'vol-0000000001',
  sizeBytes: 4096,
  epoch: 1,
  holder: { cardId: 'card-1', sealingKey: `X${'A'.repeat(55)}` },
  role: 'current',
  tombstone: false,
  trace: {},
});
const seen = (legId: string): ObservedLeg => ({
  legId,
  volumeId: 'vol-0000000001',
  sizeBytes: 4096,
  allocatedBytes: 0,
  epoch: 1,
  holderCardId: 'card-1',
  serving: null,
});

const nobodyAsks = () => Promise.reject(new Error('nobody asks for this'));

/** A pool on which these legs lie. */
function pool(
  running: readonly string[],
  goesBy: ReadonlyMap<string, DesiredLeg | null> = new Map(),
): RolePart<DesiredLeg> {
  return {
    role: 'pool',
    nameOf: ({ legId }) => legId,
    running: async () => running,
    inspect: async (names) => ({ volumes: [], legs: names.map(seen) }),
    discover: nobodyAsks,
    start: nobodyAsks,
    wanted: () => goesBy,
    accept: () => undefined,
    forget: nobodyAsks,
    measure: nobodyAsks,
    stop: nobodyAsks,
  };
}

const incarnation = '018f2f60-0000-4000-8000-0000000000ff';
const stateOf = (given: readonly string[]): AgentState<DesiredLeg> => ({
  v: 1,
  incarnation,
  term: 1,
  revision: 7,
  items: given.map(wanted),
});

describe('an inspection', () => {
  it('tells of everything that runs and everything that was given, page by page, each that fits its schema', async () => {
    const running = legIds(0, 90);
    const given = legIds(60, 130);
    const pages: InspectAnswer[] = [];
    for (let after: string | null | undefined = undefined; after !== null; after = pages.at(-1)?.next ?? null)
      pages.push(inspectAnswerSchema.parse(await inspect(pool(running), stateOf(given), after)));
    expect(pages).toHaveLength(3);
    expect(pages.map(({ total, revision }) => [total, revision])).toEqual(pages.map(() => [90, 7]));
    expect(pages.flatMap(({ legs }) => legs.map(({ legId }) => legId))).toEqual(running);
    expect(pages.flatMap((page) => page.given.legs.map(({ legId }) => legId))).toEqual(given);
  });

  it('tells of fewer at once where what was given is large, so that a message holds each page', async () => {
    const names = legIds(0, 40);
    const trace = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`t${at}`, 'x'.repeat(500)]));
    const state = stateOf(names);
    const large = { ...state, items: state.items.map((item) => ({ ...item, trace })) };
    const pages: InspectAnswer[] = [];
    for (let after: string | null | undefined = undefined; after !== null; after = pages.at(-1)?.next ?? null)
      pages.push(inspectAnswerSchema.parse(await inspect(pool(names), large, after)));
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(MAX_MESSAGE_BYTES);
    expect(pages.flatMap((page) => page.given.legs.map(({ legId }) => legId))).toEqual(names);
  });

  it('tells of what the agent goes by, where that is not what the state says', async () => {
    const [first = '', second = '', third = ''] = legIds(0, 3);
    const goesBy = new Map([
      [first, { ...wanted(first), revision: 9 }],
      [third, null],
    ]);
    const { given, revision } = await inspect(pool([first, second], goesBy), stateOf([second, third]));
    expect(given.legs.map((leg) => [leg.legId, leg.revision])).toEqual([
      [first, 9],
      [second, 3],
    ]);
    expect(revision).toBe(7);
  });

  it('says of an agent that follows nobody yet that it does not', async () => {
    const state = { ...stateOf([]), incarnation: null, revision: 0 };
    expect(await inspect(pool(legIds(0, 1)), state)).toMatchObject({ incarnation: null, total: 1, next: null });
  });
});
