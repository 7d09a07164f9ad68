import { isDeepStrictEqual } from 'node:util';
import { ProblemError } from '@flexbso/contracts';
import type { z } from 'zod';
import type { Journal } from '../ports/journal.js';

/** How the entries of one kind of thing are read and summed up. */
export interface Bookkeeping<Book, Entry extends { readonly kind: string }> {
  readonly schema: z.ZodType<Entry>;
  readonly empty: Book;
  readonly fold: (entries: readonly Entry[], from: Book) => Book;
  /** The one entry that stands for all before it. */
  readonly standFor: (book: Book) => Entry;
  /** Kinds that say nothing new when one follows its like: of a retry only the first is kept. */
  readonly saidOnce: readonly Entry['kind'][];
}

/** A swap takes some 25 entries: the file is rewritten every few operations, not after each. */
const COMPACT_AFTER_ENTRIES = 64;
/** What fails for days is tried every few seconds. Far above one operation's entries, so that no operation pays for it. */
const MAX_ENTRIES = 256;

/**
 * One journal with its sum, the book. The book in memory is always what is on disk: an append that fails changes
 * neither. Never longer than {@link MAX_ENTRIES} and one append, whatever fails how often. One writer: the reconciler.
 */
export class BookJournal<Book, Entry extends { readonly kind: string }> {
  readonly #name: string;
  readonly #journal: Journal;
  readonly #bookkeeping: Bookkeeping<Book, Entry>;
  #book: Book;
  #entryCount: number;
  #last: Entry | null;

  private constructor(
    name: string,
    journal: Journal,
    bookkeeping: Bookkeeping<Book, Entry>,
    entries: readonly Entry[],
  ) {
    this.#name = name;
    this.#journal = journal;
    this.#bookkeeping = bookkeeping;
    this.#book = bookkeeping.fold(entries, bookkeeping.empty);
    this.#entryCount = entries.length;
    this.#last = entries.at(-1) ?? null;
  }

  /** Throws `needs-operator` for a journal that is damaged other than by a torn last line: nothing may be guessed. */
  static async open<Book, Entry extends { readonly kind: string }>(
    name: string,
    journal: Journal,
    bookkeeping: Bookkeeping<Book, Entry>,
  ): Promise<BookJournal<Book, Entry>> {
    const entries = (await journal.read(name)).map((entry, index) => parsed(name, index, entry, bookkeeping.schema));
    return new BookJournal(name, journal, bookkeeping, entries);
  }

  get book(): Book {
    return this.#book;
  }

  /** What the book would be after `entries`; nothing is written. */
  preview(entries: readonly Entry[]): Book {
    return this.#bookkeeping.fold(entries, this.#book);
  }

  /** Resolves with the new book once the entries are on disk. */
  async enter(entries: readonly Entry[]): Promise<Book> {
    const fresh = this.#withoutRepeats(entries);
    if (fresh.length === 0) return this.#book;
    await this.#journal.append(this.#name, fresh);
    this.#book = this.#bookkeeping.fold(fresh, this.#book);
    this.#last = fresh.at(-1) ?? null;
    this.#entryCount += fresh.length;
    if (this.#entryCount >= MAX_ENTRIES) await this.#replace();
    return this.#book;
  }

  /** At the end of an operation, when nobody waits. */
  async compact(): Promise<void> {
    if (this.#entryCount >= COMPACT_AFTER_ENTRIES) await this.#replace();
  }

  /** Of a thing that is gone and reported so. */
  async remove(): Promise<void> {
    await this.#journal.remove(this.#name);
    this.#book = this.#bookkeeping.empty;
    this.#entryCount = 0;
    this.#last = null;
  }

  async #replace(): Promise<void> {
    await this.#journal.replace(this.#name, [this.#bookkeeping.standFor(this.#book)]);
    this.#entryCount = 1;
  }

  #withoutRepeats(entries: readonly Entry[]): Entry[] {
    const fresh: Entry[] = [];
    let last = this.#last;
    for (const entry of entries) {
      const isRepeat = last !== null && this.#bookkeeping.saidOnce.includes(entry.kind) && isSame(entry, last);
      if (!isRepeat) fresh.push(entry);
      last = entry;
    }
    return fresh;
  }
}

/** But for when. */
function isSame(left: object, right: object): boolean {
  return isDeepStrictEqual({ ...left, atMs: 0 }, { ...right, atMs: 0 });
}

function parsed<Entry>(name: string, index: number, entry: unknown, schema: z.ZodType<Entry>): Entry {
  const result = schema.safeParse(entry);
  if (result.success) return result.data;
  const detail = `entry ${index + 1} of the journal of ${name} cannot be read: ${result.error.issues[0]?.message ?? 'unknown'}; an operator must decide`;
  throw new ProblemError({ code: 'needs-operator', detail }, { cause: result.error });
}
