import { BookJournal, type Bookkeeping } from '../journal/book-journal.js';
import type { Journal } from '../ports/journal.js';
import { type LegBook, type LegEntry, emptyLegBook, foldLegBook, legEntrySchema } from './leg-book.js';

const legBookkeeping: Bookkeeping<LegBook, LegEntry> = {
  schema: legEntrySchema,
  empty: emptyLegBook,
  fold: foldLegBook,
  standFor: (book) => ({ kind: 'book', book }),
  saidOnce: ['intent'],
};

/** One leg's journal with its sum. */
export type LegJournal = BookJournal<LegBook, LegEntry>;

/** Throws `needs-operator` for a journal that is damaged other than by a torn last line: nothing may be guessed. */
export function openLegJournal(legId: string, journal: Journal): Promise<LegJournal> {
  return BookJournal.open(legId, journal, legBookkeeping);
}
