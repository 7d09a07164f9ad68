import { ProblemError } from '@flexbso/contracts';
import type { Journal } from '../ports/journal.js';
import { type BookEntry, type VolumeBook, bookEntrySchema, emptyBook, foldBook } from './book.js';

/** A swap takes some 25 entries: the file is rewritten every few operations, not after each. */
const COMPACT_AFTER_ENTRIES = 64;

/**
 * One volume's journal with its sum. The book in memory is always what is on disk: an append that fails
 * changes neither. One writer: the volume's reconciler.
 */
export class VolumeJournal {
  readonly #name: string;
  readonly #journal: Journal;
  #book: VolumeBook;
  #entryCount: number;

  private constructor(name: string, journal: Journal, book: VolumeBook, entryCount: number) {
    this.#name = name;
    this.#journal = journal;
    this.#book = book;
    this.#entryCount = entryCount;
  }

  /** Throws `needs-operator` for a journal that is damaged other than by a torn last line: nothing may be guessed. */
  static async open(name: string, journal: Journal): Promise<VolumeJournal> {
    const entries = (await journal.read(name)).map((entry, index) => parsed(name, index, entry));
    return new VolumeJournal(name, journal, foldBook(entries), entries.length);
  }

  get book(): VolumeBook {
    return this.#book;
  }

  /** What the book would be after `entries`; nothing is written. */
  preview(entries: readonly BookEntry[]): VolumeBook {
    return foldBook(entries, this.#book);
  }

  /** Resolves with the new book once the entries are on disk. */
  async enter(entries: readonly BookEntry[]): Promise<VolumeBook> {
    await this.#journal.append(this.#name, entries);
    this.#book = foldBook(entries, this.#book);
    this.#entryCount += entries.length;
    return this.#book;
  }

  async compact(): Promise<void> {
    if (this.#entryCount < COMPACT_AFTER_ENTRIES) return;
    await this.#journal.replace(this.#name, [{ kind: 'book', book: this.#book } satisfies BookEntry]);
    this.#entryCount = 1;
  }

  /** Of a volume that is gone and reported so. */
  async remove(): Promise<void> {
    await this.#journal.remove(this.#name);
    this.#book = emptyBook;
  }
}

function parsed(name: string, index: number, entry: unknown): BookEntry {
  const result = bookEntrySchema.safeParse(entry);
  if (result.success) return result.data;
  const detail = `entry ${index + 1} of the journal of ${name} cannot be read: ${result.error.issues[0]?.message ?? 'unknown'}; an operator must decide`;
  throw new ProblemError({ code: 'needs-operator', detail }, { cause: result.error });
}
