import { MemoryDatabase } from './memory-database.js';
import { MemoryLeaseStore } from './memory-lease-store.js';
import { describeLease, type LeaseWorld, suiteLease as name } from '../testing/lease-suite.js';
import { Notes } from '../testing/notes.js';

async function inMemory(): Promise<LeaseWorld<unknown>> {
  const database = new MemoryDatabase(new Notes());
  const connections = [database.connect(), database.connect()] as const;
  const options = { name, nowMs: Date.now };
  const row = () => {
    const kept = database.leases.get(name);
    if (!kept) throw new Error('nobody ever held it');
    return kept;
  };
  return {
    stores: [new MemoryLeaseStore(connections[0], options), new MemoryLeaseStore(connections[1], options)],
    write: (process, fence, note) =>
      connections[process].transaction(async (draft) => {
        await fence(draft);
        draft.names.put(note, note);
      }),
    written: async () => database.contents.names.all(),
    row: async () => row(),
    edit: async (changes) => void database.leases.set(name, { ...row(), ...changes }),
    stop: async () => undefined,
  };
}

describeLease('memory', inMemory);
