import type { MemoryContents } from '../memory/memory-database.js';
import { MemoryTable } from '../memory/memory-table.js';

/** What the suites keep in memory: names. */
export class Notes implements MemoryContents<Notes> {
  readonly names: MemoryTable<string>;

  constructor(names: MemoryTable<string> = MemoryTable.empty()) {
    this.names = names;
  }

  copy(): Notes {
    return new Notes(this.names.copy());
  }

  committed(): void {
    // Nothing leaves with a commit.
  }
}
