/**
 * A lease where all who compete for it see it: a row in the service's database, or memory in a simulation; both pass one
 * suite. Each of these is done wholly or not at all, and at one instant for everybody.
 */
export interface LeaseStore<Transaction> {
  /**
   * Takes the lease if nobody holds it.
   *
   * A token is above the one before it and not below the database's clock in milliseconds: a database that was put
   * back to an older copy, and its leases with it, does not give out again what agents have heard already.
   *
   * @returns the new holder's token; null: somebody else holds it
   */
  acquire(holder: string, leaseMs: number): Promise<number | null>;

  /** @returns false: another has it. An expired lease that nobody took is renewed like any other. */
  renew(token: number, leaseMs: number): Promise<boolean>;

  /** Gives the lease back; the token is used up with it, so that what might still write is refused. */
  release(token: number): Promise<void>;

  /** Who holds it, and for how long by the database's clock; not above 0: free. Null: nobody ever did. */
  look(): Promise<{ holder: string; remainingMs: number } | null>;

  /**
   * Inside a transaction of the same database: whether the lease is not the token's. Where this says false, nobody takes
   * the lease over before the transaction ends.
   */
  isFenced(transaction: Transaction, token: number): Promise<boolean>;
}

/** Refuses a transaction whose process no longer holds the lease; to be its first statement. */
export type LeaseFence<Transaction> = (transaction: Transaction) => Promise<void>;
