import { finalChangeStates } from '@flexbso/contracts';
import {
  type ChangeRecord,
  type DesiredEntry,
  type ReservationRecord,
  SchedulerContents,
  type VolumeRecord,
} from '@flexbso/scheduler/deciding';

/** What the scheduler's database holds, as of the last commit: read at once, without asking it. */
export class Books {
  /** Called for each entry of desired state that is committed. */
  onDesired: (entry: DesiredEntry) => void = () => undefined;
  /** Called for each state of a change that is committed. */
  onChange: (change: ChangeRecord, from: ChangeRecord['state'] | null) => void = () => undefined;
  /** Called for each change that is committed, whether or not its state is another, before what is said of its state. */
  onChangeCommitted: (change: ChangeRecord) => void = () => undefined;
  /** Called for each volume that is committed, before what is said of its changes. */
  onVolume: (volume: VolumeRecord, change: ChangeRecord | null) => void = () => undefined;
  /** Grows with every commit. */
  commits = 0;
  #contents = new SchedulerContents();
  /** Changes that were known when the database was put back. */
  readonly #former = new Set<string>();
  readonly #ends = new Map<string, (() => void)[]>();

  /** To be told of every commit, and of a copy that is put back. */
  replaced(now: SchedulerContents, before: SchedulerContents): void {
    this.#contents = now;
    this.commits += 1;
    for (const entry of now.desired.all()) {
      const key = `${entry.role}/${entry.agentId}/${entry.itemId}`;
      if (before.desired.get(key) !== entry) this.onDesired(entry);
    }
    for (const volume of now.volumes.all())
      if (before.volumes.get(volume.volumeId) !== volume)
        this.onVolume(volume, volume.changeId === null ? null : now.changes.get(volume.changeId));
    for (const change of now.changes.all()) {
      const known = before.changes.get(change.changeId);
      if (known === change) continue;
      this.onChangeCommitted(change);
      if (known?.state !== change.state) this.onChange(change, known?.state ?? null);
      if (isOver(change)) this.#ended(change.changeId);
    }
  }

  get volumes(): readonly VolumeRecord[] {
    return this.#contents.volumes.all();
  }

  get changes(): readonly ChangeRecord[] {
    return this.#contents.changes.all();
  }

  get reservations(): readonly ReservationRecord[] {
    return this.#contents.reservations.all();
  }

  volume(volumeId: string): VolumeRecord | null {
    return this.#contents.volumes.get(volumeId);
  }

  /** Where the leg is recorded to be. */
  poolOf(legId: string): string | null {
    return this.#contents.legs.get(legId)?.poolId ?? null;
  }

  /** The legs of snapshots that are whole. */
  frozenLegs(): string[] {
    const legs = Map.groupBy(this.#contents.legs.all(), ({ volumeId }) => volumeId);
    return this.volumes.flatMap(({ volumeId, snapshots }) => {
      const stacks = snapshots.filter(({ state }) => state === 'ready').flatMap((one) => [one, ...one.bases]);
      const generations = new Set(stacks.map(({ stackGeneration }) => stackGeneration));
      return (legs.get(volumeId) ?? []).filter((leg) => generations.has(leg.stackGeneration)).map(({ legId }) => legId);
    });
  }

  /** Of each stack that a volume's own lies on: its legs. */
  legsBeneath(volumeId: string): string[][] {
    const bases = this.#contents.volumes.get(volumeId)?.want.bases ?? [];
    const own = this.#contents.legs.all().filter((leg) => leg.volumeId === volumeId);
    return bases.map(({ stackGeneration, legs = own }) =>
      legs.filter((leg) => leg.stackGeneration === stackGeneration).map(({ legId }) => legId),
    );
  }

  /** Of a failover that the new card did not carry out: no card has it until somebody asks for another. */
  carriedByNobody(): VolumeRecord[] {
    return this.volumes.filter(({ state, changeId }) => {
      const change = changeId === null ? null : this.#contents.changes.get(changeId);
      return state === 'needs-operator' && change?.kind === 'failover' && isOver(change);
    });
  }

  /** One that is to come to its end by itself: neither left to an operator, nor queued behind one that is. */
  openChange(): ChangeRecord | null {
    const isLeft = ({ state, volumeId }: ChangeRecord): boolean => {
      if (state !== 'queued') return state === 'needs-operator';
      const before = this.volume(volumeId)?.changeId ?? null;
      return before !== null && this.#contents.changes.get(before)?.state === 'needs-operator';
    };
    return this.changes.find((change) => !isOver(change) && !isLeft(change)) ?? null;
  }

  hasChange(changeId: string): boolean {
    return this.#contents.changes.get(changeId) !== null;
  }

  /** To be told just before an older copy is put back. */
  restored(): void {
    this.lives += 1;
    for (const { changeId } of this.changes) this.#former.add(changeId);
  }

  /** Lives of the database so far. */
  lives = 1;

  /** It was committed, and only in a life that the present copy knows nothing of. */
  isOfFormerLife(changeId: string): boolean {
    return this.#former.has(changeId) && !this.hasChange(changeId);
  }

  reservation(reservationId: string): ReservationRecord | null {
    return this.#contents.reservations.get(reservationId);
  }

  /** Resolves when the change is over. */
  whenEnded(changeId: string): Promise<void> {
    const known = this.#contents.changes.get(changeId);
    if (known === null || isOver(known)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#ends.set(changeId, [...(this.#ends.get(changeId) ?? []), resolve]);
    });
  }

  #ended(changeId: string): void {
    for (const resolve of this.#ends.get(changeId) ?? []) resolve();
    this.#ends.delete(changeId);
  }
}

const isOver = ({ state }: ChangeRecord): boolean => finalChangeStates.includes(state);
