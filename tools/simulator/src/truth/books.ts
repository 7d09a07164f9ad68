import { finalChangeStates } from '@flexbso/contracts';
import type {
  ChangeRecord,
  DesiredEntry,
  LegRecord,
  ReservationRecord,
  StoreTransaction,
  VolumeRecord,
} from '@flexbso/scheduler';

/** What the database holds, as of the last commit: read at once, without asking it. */
export class Books {
  readonly volumes = new Map<string, VolumeRecord>();
  readonly legs = new Map<string, LegRecord>();
  readonly changes = new Map<string, ChangeRecord>();
  readonly reservations = new Map<string, ReservationRecord>();
  readonly desired = new Map<string, DesiredEntry>();
  /** Called for each entry of desired state that is committed. */
  onDesired: (entry: DesiredEntry) => void = () => undefined;
  /** Called for each state of a change that is committed. */
  onChange: (change: ChangeRecord) => void = () => undefined;
  /** Grows with every commit. */
  commits = 0;
  readonly #ends = new Map<string, (() => void)[]>();

  /** Resolves when the change is over. */
  whenEnded(changeId: string): Promise<void> {
    const known = this.changes.get(changeId);
    if (known === undefined || isOver(known)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#ends.set(changeId, [...(this.#ends.get(changeId) ?? []), resolve]);
    });
  }

  begin(): { over: (tx: StoreTransaction) => StoreTransaction; commit: () => void } {
    let writes: (() => void)[] = [];
    return {
      over: (tx) => {
        // A transaction that is run again begins anew.
        writes = [];
        return this.#noting(tx, writes);
      },
      commit: () => {
        for (const write of writes) write();
        if (writes.length > 0) this.commits += 1;
      },
    };
  }

  replacedBy({
    contents,
  }: {
    contents: Pick<Books, 'volumes' | 'legs' | 'changes' | 'reservations' | 'desired'>;
  }): void {
    put(this.volumes, contents.volumes);
    put(this.legs, contents.legs);
    put(this.changes, contents.changes);
    put(this.reservations, contents.reservations);
    put(this.desired, contents.desired);
    this.commits += 1;
  }

  #noting(tx: StoreTransaction, writes: (() => void)[]): StoreTransaction {
    const note = (write: () => void, done: Promise<void>): Promise<void> => {
      writes.push(write);
      return done;
    };
    const noted: Partial<StoreTransaction> = {
      putVolume: (row) => note(() => this.volumes.set(row.volumeId, row), tx.putVolume(row)),
      deleteVolume: (id) => note(() => this.volumes.delete(id), tx.deleteVolume(id)),
      putLeg: (row) => note(() => this.legs.set(row.legId, row), tx.putLeg(row)),
      deleteLeg: (id) => note(() => this.legs.delete(id), tx.deleteLeg(id)),
      putChange: (row) => note(() => this.#putChange(row), tx.putChange(row)),
      putReservation: (row) => note(() => this.reservations.set(row.reservationId, row), tx.putReservation(row)),
      deleteReservation: (id) => note(() => this.reservations.delete(id), tx.deleteReservation(id)),
      putDesired: (row) => note(() => this.#putDesired(row), tx.putDesired(row)),
      deleteDesired: (role, agentId, itemId) =>
        note(() => this.desired.delete(`${role}/${agentId}/${itemId}`), tx.deleteDesired(role, agentId, itemId)),
    };
    return new Proxy(tx, {
      get: (target, key) => {
        const own: unknown = Reflect.get(noted, key);
        if (own !== undefined) return own;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #putChange(row: ChangeRecord): void {
    if (this.changes.get(row.changeId)?.state !== row.state) this.onChange(row);
    this.changes.set(row.changeId, row);
    if (!isOver(row)) return;
    for (const resolve of this.#ends.get(row.changeId) ?? []) resolve();
    this.#ends.delete(row.changeId);
  }

  #putDesired(row: DesiredEntry): void {
    this.desired.set(`${row.role}/${row.agentId}/${row.itemId}`, row);
    this.onDesired(row);
  }
}

const isOver = ({ state }: ChangeRecord): boolean => finalChangeStates.includes(state);

function put<Row>(table: Map<string, Row>, rows: ReadonlyMap<string, Row>): void {
  table.clear();
  for (const [key, row] of rows) table.set(key, row);
}
