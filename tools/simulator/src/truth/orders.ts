import type { DesiredLeg, DesiredVolume, ObservedVolume } from '@flexbso/contracts';
import type { ChangeRecord, DesiredEntry } from '@flexbso/scheduler/deciding';
import { desiredStacks, isApplied, plannedVolumeOf } from '@flexbso/stack';

/** What was ever ordered of cards and pools, in any life of the database, and what of it was seen to be so. */
export class Orders {
  readonly #volumes = new Map<string, { cardId: string; item: DesiredVolume }[]>();
  readonly #legs = new Map<string, DesiredLeg[]>();
  readonly #carried = new Set<string>();
  readonly #ended = new Set<string>();

  note(entry: DesiredEntry): void {
    if (entry.role === 'card') {
      const known = this.#volumes.get(entry.itemId) ?? [];
      this.#volumes.set(entry.itemId, [...known, { cardId: entry.agentId, item: entry.item }]);
    } else {
      this.#legs.set(entry.itemId, [...(this.#legs.get(entry.itemId) ?? []), entry.item]);
    }
  }

  /** The data plane is in this state: every order that it fulfils was carried out. */
  seen(cardId: string, observed: ObservedVolume): void {
    for (const order of this.#volumes.get(observed.volumeId) ?? []) {
      const { operationId } = order.item;
      if (order.cardId !== cardId || this.#carried.has(operationId)) continue;
      if (isApplied(observed, plannedVolumeOf(order.item))) this.#carried.add(operationId);
    }
  }

  wasCarried(volumeId: string, generation: number): boolean {
    const orders = this.#volumes.get(volumeId) ?? [];
    return orders.some(({ item }) => item.generation === generation && this.#carried.has(item.operationId));
  }

  wasCarriedOut(operationId: string): boolean {
    return this.#carried.has(operationId);
  }

  isLegTombstoned(legId: string): boolean {
    return (this.#legs.get(legId) ?? []).some(({ tombstone }) => tombstone);
  }

  isVolumeTombstoned(cardId: string, volumeId: string): boolean {
    return (this.#volumes.get(volumeId) ?? []).some((order) => order.cardId === cardId && order.item.tombstone);
  }

  /** Somebody asked for its end, or its creation is taken back. A tombstone alone may be a detachment. */
  noteEnd({ kind, state, volumeId }: Pick<ChangeRecord, 'kind' | 'state' | 'volumeId'>): void {
    if (kind === 'delete' || (kind === 'create' && state === 'undoing')) this.#ended.add(volumeId);
  }

  isToEnd(volumeId: string): boolean {
    return this.#ended.has(volumeId);
  }

  /** Legs that the volume was only ever to read: of the snapshot that it was cloned from. */
  sharedLegs(volumeId: string): Set<string> {
    const shared = (this.#volumes.get(volumeId) ?? []).flatMap(({ item }) =>
      (item.bases ?? []).filter((base) => base.shared === true),
    );
    return new Set(shared.flatMap(({ legs }) => legs.map(({ legId }) => legId)));
  }

  /** Of every stack that the volume was ever to have: its legs, and those of the stacks beneath it. */
  stacksOf(volumeId: string): string[][][] {
    const stacks = new Map<string, string[][]>();
    for (const { item } of this.#volumes.get(volumeId) ?? []) {
      const chain = desiredStacks(item).map(({ legs }) => legs.map(({ legId }) => legId));
      stacks.set(chain.join(';'), chain);
    }
    return [...stacks.values()];
  }
}
