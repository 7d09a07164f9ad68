/**
 * What was meant and what became of it, one list of entries for each volume or leg, on disk before
 * the act. Entries are JSON values; whoever reads them validates them.
 */
export interface Journal {
  /** Every name that has entries. */
  names(): Promise<string[]>;
  /** Oldest first. A torn last entry was never acknowledged and is left out; any other damage throws. */
  read(name: string): Promise<unknown[]>;
  /** Resolves once all entries are synced to disk, in order, all or a leading part of them after a crash. */
  append(name: string, entries: readonly unknown[]): Promise<void>;
  /** Puts `entries` in the place of all that is there, atomically. */
  replace(name: string, entries: readonly unknown[]): Promise<void>;
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
