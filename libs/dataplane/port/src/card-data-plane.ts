import type {
  Capabilities,
  CardBudget,
  CardFunction,
  CardStep,
  DesiredVolume,
  LegAddress,
  LegFaultKind,
  ObservedVolume,
  VolumeMeasurement,
} from '@flexbso/contracts';

/** What a card was found able to do, by asking the running data plane. */
export interface CardDiscovery {
  readonly dataPlane: { readonly name: 'qsd' | 'spdk' | 'memory'; readonly version: string };
  readonly capabilities: Capabilities;
  readonly functions: readonly CardFunction[];
  readonly budget: CardBudget;
}

/** How far a long step is. Called at most a few times a second. */
export type OnProgress = (progress: { doneBytes: number; totalBytes: number }) => void;

/** Opens secrets on the card, at the moment of use; the driver keeps none. */
export interface CardSecrets {
  /** The volume's encryption key, unsealed. Wipe the array after use. */
  volumeKey(keyRef: string): Promise<Uint8Array>;
  /** The pre-shared key that opens a remote leg; null when the leg needs none. */
  legKey(legId: string): Promise<{ identity: string; key: Uint8Array } | null>;
}

/** A leg that is open, and how it is reached: as it was opened, whatever is wanted now. */
export interface OpenLeg {
  readonly legId: string;
  readonly epoch: number;
  /** Null where the data plane names a place that no desired state could name. */
  readonly address: LegAddress | null;
  /** Name of the pre-shared key; null where none is used. */
  readonly identity: string | null;
}

/** One thing that a data plane found wrong with a leg while it did the guest's I/O. */
export interface LegFinding {
  readonly legId: string;
  readonly kind: LegFaultKind;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** The data plane writes the content of the majority over it before it answers the read that found it. */
  readonly isWrittenOver: boolean;
}

/** What a card's step is carried out with. */
export interface CardStepContext {
  readonly desired: DesiredVolume;
  readonly secrets: CardSecrets;
  readonly onProgress: OnProgress;
  /**
   * What is opened has carried the guest and is built again: a mirror may be built without a leg that stays away, where
   * those that are there are a majority. It is then told of as bad (`onLegBad`), at every look, until it is replaced. A
   * data plane that cannot do that waits for the leg.
   */
  readonly maySpareLegs?: boolean;
  /** Aborted when the step must stop early. Work in the data plane is then left as it is, for the next look. */
  readonly signal: AbortSignal;
}

/**
 * A card's data plane, as its agent uses it. Every step is idempotent: done again, it changes
 * nothing. A driver looks before it acts and refuses what would destroy (a format of a leg that
 * does not read as zeros, a cut-over of a copy that is not ready and free of errors).
 * Every method throws a {@link DataPlaneError}; after one, observe before acting again.
 */
export interface CardDataPlane {
  discover(): Promise<CardDiscovery>;
  /** Ids of all volumes of which anything runs here. */
  list(): Promise<string[]>;
  /** Never throws for a volume that does not run: that is an observation. */
  observe(volumeId: string): Promise<ObservedVolume>;
  /**
   * Of a volume of which nothing runs: whether its data plane ended in order, with all that it held in memory written.
   * False: it did not, or nobody knows. Known until something of the volume is started again.
   */
  endedInOrder(volumeId: string): Promise<boolean>;
  /** Every open leg of every stack; none for a volume that does not run. Asked seldom: `observe` is what plans are made of. */
  openLegs(volumeId: string): Promise<OpenLeg[]>;
  perform(volumeId: string, step: CardStep, context: CardStepContext): Promise<void>;
  /** Takes back what `perform` of the same step did, in whole or in part; nothing done is a success. */
  undo(volumeId: string, step: CardStep, context: CardStepContext): Promise<void>;
  measure(volumeId: string): Promise<VolumeMeasurement>;
  /**
   * From now on, tells of volumes whose data plane went away, told to or not, the moment that it is seen. A hint: what is
   * not told is found by the next look.
   */
  onGone(listener: (volumeId: string) => void): void;
  /**
   * From now on, tells of what is found wrong with legs: of failed operations on the legs of any mirror, of differing
   * content only where reads are checked. What happens while nobody listens is not told later.
   */
  onLegBad(listener: (volumeId: string, finding: LegFinding) => void): void;
  /** Lets go of connections. What runs goes on running. */
  close(): Promise<void>;
}
