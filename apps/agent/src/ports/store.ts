/** Keeps one JSON value through crashes: after a crash it is the last one saved, or the one before, never a mixture. */
export interface ValueStore {
  /** Null when nothing was saved yet. */
  load(): Promise<unknown>;
  save(value: unknown): Promise<void>;
}
