import { ProblemError } from '@flexbso/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentStore, AnotherWriterError } from '../agents/agent-store.js';
import type { AgentEvent } from '../agents/decisions.js';
import { aKeptCard, aKeptPool } from './records.js';

/** An empty store with what the suite sees of it from outside. */
export interface OpenStore extends AsyncDisposable {
  readonly store: AgentStore;
  /** What was committed to be published, and under which message ids. */
  readonly committedEvents: () => Promise<{ messageId: string; payload: unknown }[]>;
}

const cordoned: AgentEvent = { what: 'cordoned', by: 'alice', data: {} };

/** What inventory's store has to be, wherever it keeps agents. @param start given what every transaction asks first */
export function describeAgentStore(kind: string, start: (fence: () => Promise<void>) => Promise<OpenStore>): void {
  describe(`the agents on ${kind}`, () => {
    let opened: OpenStore;
    let isReplaced: boolean;
    beforeEach(async () => {
      isReplaced = false;
      opened = await start(async () => {
        if (isReplaced) throw new ProblemError({ code: 'fenced', detail: 'another inventory is active' });
      });
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    it('are loaded as they were saved last, in one order', async () => {
      const { store } = opened;
      await store.save(aKeptPool('card-2'), [], 1);
      await store.save(aKeptCard('card-2'), [], 1);
      await store.save(aKeptCard('card-1'), [], 1);
      const { record } = aKeptCard('card-2', { revision: 2, cordoned: true });
      const later = { record, lastHeardAtMs: 2 };
      await store.save(later, [cordoned], 2);
      expect(await store.load()).toEqual([aKeptCard('card-1'), later, aKeptPool('card-2')]);
    });

    it('are told of if and only if they were saved', async () => {
      const { store, committedEvents } = opened;
      await store.save(aKeptCard('card-1'), [{ what: 'registered', by: 'card-1', data: { first: true } }], 7);
      const [event, ...more] = await committedEvents();
      expect(event?.payload).toMatchObject({
        eventId: event?.messageId,
        kind: 'card',
        id: 'card-1',
        what: 'registered',
        atMs: 7,
        data: { revision: 1, first: true },
      });
      expect(more).toEqual([]);
    });

    it('are not written over by who decided on another revision', async () => {
      const { store, committedEvents } = opened;
      await store.save(aKeptCard('card-1'), [], 1);
      await expect(store.save(aKeptCard('card-1', { revision: 3 }), [cordoned], 2)).rejects.toThrow(AnotherWriterError);
      await expect(store.save(aKeptCard('card-2', { revision: 2 }), [cordoned], 2)).rejects.toThrow(AnotherWriterError);
      await expect(store.save(aKeptCard('card-1'), [cordoned], 2)).rejects.toThrow(/revision 0|unique/i);
      expect([await store.load(), await committedEvents()]).toEqual([[aKeptCard('card-1')], []]);
    });

    it('are not two of one serial', async () => {
      const { store } = opened;
      await store.save(aKeptCard('card-1'), [], 1);
      const { registration } = aKeptCard('card-1').record;
      if (!('functions' in registration)) throw new Error('a card was made');
      await expect(store.save(aKeptCard('card-2', { registration }), [], 1)).rejects.toThrow(/serial|unique/i);
      expect(await store.load()).toHaveLength(1);
    });

    it('are read, and not written, by an inventory that was replaced', async () => {
      const { store, committedEvents } = opened;
      await store.save(aKeptCard('card-1'), [], 1);
      isReplaced = true;
      await expect(store.save(aKeptCard('card-1', { revision: 2 }), [cordoned], 2)).rejects.toThrow(/^fenced/);
      expect([await store.load(), await committedEvents()]).toEqual([[aKeptCard('card-1')], []]);
    });
  });
}
