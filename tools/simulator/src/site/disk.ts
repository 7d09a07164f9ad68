import { z } from 'zod';
import { type Journal, MemoryJournal, MemoryStore, type ValueStore } from '@flexbso/agent';
import { stepKinds } from '../faults/cells.js';
import type { Faults } from '../faults/faults.js';
import type { StepKind } from '../faults/fault.js';
import type { SimProcess } from '../processes/sim-process.js';

/** Of a journal's entry, all that is looked at: a leg's has the step, a volume's what is planned. */
const stepSchema = z.object({ kind: z.enum(stepKinds) });
const intentSchema = z.object({
  kind: z.literal('intent'),
  step: stepSchema.optional(),
  planned: z.object({ step: stepSchema }).optional(),
});

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
      const kind = intended(entries);
      const step = kind === null ? null : { kind, subjectId: name };
      if (step === null) faults.progress.ended(process.name, name);
      else faults.progress.began(process.name, step);
      await process.moment('before', 'journal.append');
      if (faults.strikes('disk-full', process.name, step)) throw new Error('ENOSPC: no space left on device');
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

/** The step that is entered to be begun; null: none is. */
function intended(entries: readonly unknown[]): StepKind | null {
  const { data } = intentSchema.safeParse(entries.at(-1));
  return (data?.step ?? data?.planned?.step)?.kind ?? null;
}

export function stateOf(disk: Disk, process: SimProcess): ValueStore {
  return {
    load: () => process.call('state.load', () => disk.state.load()),
    save: (value) => process.call('state.save', () => disk.state.save(value)),
  };
}
