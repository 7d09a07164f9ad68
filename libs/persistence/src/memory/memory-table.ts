/** Plain values of bounded depth (records as JSON has them). @returns the same value, which nothing can change any more */
export function frozen<Value>(value: Value): Value {
  // What was frozen here is frozen to its leaves, so that a record that is written again costs one look.
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

/**
 * Rows by key, which share what they hold with the tables that they were copied from, until they are written to. Rows are
 * frozen and not copied: who writes one and changes it afterwards, or changes one that he read, is told so by a TypeError,
 * where a database would silently keep what it had.
 */
export class MemoryTable<Row> {
  #rows: Map<string, Row>;
  #isShared: boolean;

  private constructor(rows: Map<string, Row>, isShared: boolean) {
    this.#rows = rows;
    this.#isShared = isShared;
  }

  static empty<Row>(): MemoryTable<Row> {
    return new MemoryTable(new Map<string, Row>(), false);
  }

  /** Either may be written then; the other stays as it is. */
  copy(): MemoryTable<Row> {
    this.#isShared = true;
    return new MemoryTable(this.#rows, true);
  }

  get(key: string): Row | null {
    return this.#rows.get(key) ?? null;
  }

  /** In the order of their first writing. */
  where(isWanted: (row: Row) => boolean): Row[] {
    const found: Row[] = [];
    for (const row of this.#rows.values()) if (isWanted(row)) found.push(row);
    return found;
  }

  all(): Row[] {
    return [...this.#rows.values()];
  }

  put(key: string, row: Row): void {
    this.#own().set(key, frozen(row));
  }

  delete(key: string): void {
    this.#own().delete(key);
  }

  #own(): Map<string, Row> {
    if (this.#isShared) this.#rows = new Map(this.#rows);
    this.#isShared = false;
    return this.#rows;
  }
}
