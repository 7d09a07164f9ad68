import { MemoryDatabase } from '@flexbso/persistence/memory';
import { describeAgentStore } from '../testing/agent-store-suite.js';
import { InventoryContents, MemoryAgentStore } from './memory-agent-store.js';

let events = 0;
const newEventId = () => `event-${(events += 1)}`;

describeAgentStore('memory', async (fence) => {
  const database = new MemoryDatabase(new InventoryContents());
  return {
    store: new MemoryAgentStore(database.connect(), { fence, newEventId }),
    committedEvents: async () =>
      database.contents.takeEvents().map((payload) => ({ messageId: payload.eventId, payload })),
    [Symbol.asyncDispose]: async () => undefined,
  };
});
