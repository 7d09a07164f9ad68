/** Which life of the database speaks, and how far it has come: the sum of all agents' revisions, which only grows. */
export interface Life {
  readonly incarnation: string;
  readonly revisions: number;
}

export function revisionsOf(agents: readonly { readonly revision: number }[]): number {
  return agents.reduce((sum, { revision }) => sum + revision, 0);
}

/**
 * Why the database is not the one that agents were last told from, or null. What is written beside it may be behind, by
 * a second at most; the database never is.
 * @param written null: nothing was ever written beside the database
 */
export function whyAnotherLife(database: Life, written: Life | null): string | null {
  if (written === null) return null;
  if (written.incarnation !== database.incarnation)
    return `agents were last told from incarnation ${written.incarnation}, and the database is of ${database.incarnation}`;
  if (database.revisions >= written.revisions) return null;
  return `agents were told ${written.revisions} revisions, and the database knows ${database.revisions}: it is an older copy`;
}
