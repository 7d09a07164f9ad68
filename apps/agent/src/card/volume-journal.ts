import { BookJournal, type Bookkeeping } from '../journal/book-journal.js';
import type { Journal } from '../ports/journal.js';
import { type BookEntry, type VolumeBook, bookEntrySchema, emptyBook, foldBook } from './book.js';

const volumeBookkeeping: Bookkeeping<VolumeBook, BookEntry> = {
  schema: bookEntrySchema,
  empty: emptyBook,
  fold: foldBook,
  standFor: (book) => ({ kind: 'book', book }),
  saidOnce: ['intent', 'healing'],
};

/** One volume's journal with its sum. */
export type VolumeJournal = BookJournal<VolumeBook, BookEntry>;

/** Throws `needs-operator` for a journal that is damaged other than by a torn last line: nothing may be guessed. */
export function openVolumeJournal(volumeId: string, journal: Journal): Promise<VolumeJournal> {
  return BookJournal.open(volumeId, journal, volumeBookkeeping);
}
