import type { BucketEntry, VersionedBucket } from './fenced-bucket.js';

/** A bucket in memory, for simulations: shared by all who publish, and told to all who watch. */
export class MemoryBucket<Snapshot> implements VersionedBucket<Snapshot> {
  readonly #entries = new Map<string, BucketEntry<Snapshot>>();
  readonly #onWritten: (entry: BucketEntry<Snapshot>) => void;
  #revision = 0;

  /** @param onWritten called with each write, in their order */
  constructor(onWritten: (entry: BucketEntry<Snapshot>) => void = () => undefined) {
    this.#onWritten = onWritten;
  }

  async put(id: string, snapshot: Snapshot, previousRevision: number): Promise<number | null> {
    if ((this.#entries.get(id)?.revision ?? 0) !== previousRevision) return null;
    return this.#write(id, snapshot);
  }

  async revisionOf(id: string): Promise<number> {
    return this.#entries.get(id)?.revision ?? 0;
  }

  async delete(id: string): Promise<void> {
    this.#write(id, null);
  }

  /** What a watch begins with. */
  async entries(): Promise<BucketEntry<Snapshot>[]> {
    return [...this.#entries.values()];
  }

  #write(id: string, snapshot: Snapshot | null): number {
    this.#revision += 1;
    const entry = { id, revision: this.#revision, isDeleted: snapshot === null, snapshot };
    this.#entries.set(id, entry);
    this.#onWritten(entry);
    return entry.revision;
  }
}
