import type {
  AgentRole,
  Measure,
  ObservedLeg,
  ObservedVolume,
  RegisterCard,
  RegisterPool,
  VolumeMeasurement,
} from '@flexbso/contracts';

/** What a registration says beyond what the configuration knows; found by asking the data plane. */
export type Discovered =
  | Pick<RegisterCard, 'dataPlane' | 'capabilities' | 'functions' | 'budget'>
  | Pick<RegisterPool, 'dataPlane' | 'capabilities' | 'budget' | 'reach'>;

export interface Inspected {
  readonly volumes: readonly ObservedVolume[];
  readonly legs: readonly ObservedLeg[];
}

export interface Measured {
  readonly volumes: readonly VolumeMeasurement[];
  readonly legs: Measure['legs'];
}

/** What the agent's common part asks of its role. `Item` is what one volume or leg is to be. */
export interface RolePart<Item> {
  readonly role: AgentRole;
  nameOf(item: Item): string;
  discover(): Promise<Discovered>;
  /** Names of what runs here now, observed. */
  running(): Promise<readonly string[]>;
  /** Goes on with the last state that was given and with what the journal says, asking nobody. */
  start(items: readonly Item[]): Promise<void>;
  /**
   * What it goes by now, by name, which may not be the last state that was given: what the journal alone knows after a
   * crash, and what stayed when the operation that was given last was undone or refused; null: nothing did.
   */
  wanted(): ReadonlyMap<string, Item | null>;
  /** Entries that are new or have changed. */
  accept(items: readonly Item[]): void;
  /**
   * What is gone, and known to be, needs no record any more. Of a newer operation nothing is forgotten.
   * @param drop takes the item, up to this revision, out of the kept state; the journal goes only after that, since it
   *   alone knows then that the thing is gone. Resolves with false when this life ends before.
   */
  forget(name: string, operationId: string, drop: (revision: number) => Promise<boolean>): Promise<void>;
  /** Observes what of these runs here. */
  inspect(names: readonly string[]): Promise<Inspected>;
  measure(limit: number): Promise<Measured>;
  /** Parks what is under way. What runs in the data plane goes on. */
  stop(): Promise<void>;
}
