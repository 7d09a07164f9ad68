import type { Capabilities, DesiredLeg, LegAddress, ObservedLeg, PoolBudget, PoolStep } from '@flexbso/contracts';

export interface PoolDiscovery {
  readonly dataPlane: { readonly name: 'qsd' | 'spdk' | 'memory'; readonly version: string };
  readonly capabilities: Capabilities;
  readonly budget: PoolBudget;
  readonly reach: 'host' | 'network';
}

export interface PoolStepContext {
  readonly desired: DesiredLeg;
  readonly signal: AbortSignal;
}

/** How the holder reaches a leg that is served: the pre-shared key goes sealed to the holder and nowhere else. */
export interface ServedLeg {
  readonly address: LegAddress;
  readonly access: { readonly identity: string; readonly key: Uint8Array } | null;
}

/**
 * A pool, as its agent uses it: makes, grows, serves, fences and deletes legs. Idempotent like a
 * card's; throws {@link DataPlaneError}. A new leg reads as zeros. A leg is served to its holder only.
 */
export interface PoolDataPlane {
  discover(): Promise<PoolDiscovery>;
  /** Every leg that this pool has anything of. */
  list(): Promise<ObservedLeg[]>;
  observe(legId: string): Promise<ObservedLeg | null>;
  perform(step: PoolStep, context: PoolStepContext): Promise<void>;
  undo(step: PoolStep, context: PoolStepContext): Promise<void>;
  /** Writes the desired record (holder, role) beside the leg, synced. */
  record(desired: DesiredLeg): Promise<void>;
  /** Where the holder finds the leg; null while it is not served. */
  served(legId: string): Promise<ServedLeg | null>;
  close(): Promise<void>;
}
