import { type Journal, MemoryJournal, MemoryStore, type ValueStore } from '@flexbso/agent';
import type { Faults } from '../faults/faults.js';
import type { SimProcess } from '../processes/sim-process.js';

/** What outlives an agent on its machine. */
export class Disk {
  readonly journal = new MemoryJournal();
  readonly state = new MemoryStore();
  /** Lives of the agent so far; each has a session of its own. */
  lives = 0;
  lastSignMs: number | null = null;
}

/** The journal as one life of an agent reaches it. Dying within an append leaves a leading part of its entries. */
export function journalOf(disk: Disk, process: SimProcess, faults: Faults): Journal {
  const { journal } = disk;
  return {
    names: () => process.call('journal.names', () => journal.names()),
    read: (name) => process.call('journal.read', () => journal.read(name)),
    append: async (name, entries) => {
      await process.moment('before', 'journal.append');
      if (faults.strikes('disk-full', process.name)) throw new Error('ENOSPC: no space left on device');
      await journal.append(name, entries.slice(0, 1));
      await process.moment('before', 'journal.append of the rest');
      await journal.append(name, entries.slice(1));
      await process.moment('after', 'journal.append');
    },
    replace: (name, entries) => process.call('journal.replace', () => journal.replace(name, entries)),
    remove: (name) => process.call('journal.remove', () => journal.remove(name)),
    close: () => journal.close(),
  };
}

export function stateOf(disk: Disk, process: SimProcess): ValueStore {
  return {
    load: () => process.call('state.load', () => disk.state.load()),
    save: (value) => process.call('state.save', () => disk.state.save(value)),
  };
}
