import { ProblemError, type VolumeSpec } from '@flexbso/contracts';
import { legSizeBytes, overlayBytes, validateStack } from '@flexbso/stack';
import { derivedId } from '../ids.js';
import { chooseForVolume } from '../placement/choose.js';
import { compressorsFor, firstAccepted } from '../placement/compressor.js';
import { planReservations } from '../placement/plan-reservations.js';
import { exactReservations } from '../placement/volume-reservations.js';
import { basesOfClone, clonedSpec, type CloneSource } from '../snapshots/clone.js';
import { refuseUnmetDemand } from './always-redundant.js';
import { plannedVolume } from './planned.js';
import { type Asking, cardOrThrow, newChange, newLegs, planOrThrow, type Proposal, type World } from './proposal.js';
import type { VolumeRecord, VolumeWant } from './volume-record.js';

export interface CreateFacts {
  readonly tenantId: string;
  /** Makes ids differ between scheduler databases. */
  readonly incarnation: string;
  /** How often a volume of this name was created before: makes its id another one each time. */
  readonly earlierCreations: number;
  /** Of a clone; null: the volume begins empty. */
  readonly source: CloneSource | null;
}

/** Decides where a new volume goes and what making it takes. Changes nothing. @throws ProblemError with the refusal. */
export function proposeCreate(world: World, asked: VolumeSpec, facts: CreateFacts, asking: Asking): Proposal {
  if (facts.source) return proposeStack(world, clonedSpec(asked, facts.source), facts, asking);
  return firstAccepted(compressorsFor(asked.stack.layers, world.fleet), (layers) =>
    proposeStack(world, { ...asked, stack: { layers } }, facts, asking),
  );
}

function proposeStack(world: World, spec: VolumeSpec, facts: CreateFacts, asking: Asking): Proposal {
  const { fleet, deciding } = world;
  const invalid = validateStack(spec.stack.layers);
  if (invalid) throw new ProblemError(invalid);
  refuseUnmetDemand(spec);
  const volumeId = derivedId('vol', facts.incarnation, facts.tenantId, spec.name, facts.earlierCreations);
  const bases = facts.source ? basesOfClone(volumeId, facts.source) : [];
  const carriedBytes = bases.length === 0 ? spec.sizeBytes : clonedBytes(world, spec);
  const { card, functionId, pools } = chooseForVolume(fleet, { ...spec, sizeBytes: carriedBytes }, seedOf(volumeId));
  // Above what it stands on, as a stack's generation is that of the volume at which it became wanted.
  const stackGeneration = 1 + (bases[0]?.stackGeneration ?? 0);
  const want: VolumeWant = {
    labels: spec.labels,
    sizeBytes: spec.sizeBytes,
    stack: spec.stack,
    alwaysRedundant: spec.alwaysRedundant,
    qos: spec.qos,
    placement: spec.placement,
    stackGeneration,
    keyRef: keyRefOf(volumeId, spec.stack, stackGeneration),
    ...(bases.length === 0 ? {} : { bases }),
  };
  const volume: VolumeRecord = {
    volumeId,
    tenantId: facts.tenantId,
    name: spec.name,
    protocol: spec.protocol,
    cardId: card.cardId,
    functionId,
    state: 'creating',
    generation: stackGeneration,
    appliedGeneration: 0,
    settledGeneration: 0,
    want,
    uri: null,
    changeId: null,
    cardOperationId: null,
    lastOutageUntilMs: null,
    formerCards: [],
    followUp: null,
    legFaults: [],
    snapshots: [],
    settledIn: facts.incarnation,
    createdAtMs: deciding.nowMs,
  };
  const sizeBytes = legSizeBytes(spec.stack.layers, carriedBytes, card.capabilities);
  const legs = newLegs(volume, stackGeneration, pools, {
    sizeBytes,
    holder: { cardId: card.cardId, sealingKey: card.sealingKey },
  });
  const reservations = exactReservations(volume, legs);
  const plan = {
    ...planOrThrow(world, card.cardId, null, plannedVolume(volume, want, legs, deciding.copyBytesPerSecond)),
    reservations: planReservations({ before: [], during: reservations, after: reservations }),
  };
  const change = newChange(
    volume,
    { kind: 'create', differences: [], fromGeneration: 0, toGeneration: stackGeneration, plan, from: null },
    asking,
    deciding,
  );
  return {
    volume,
    change,
    legs,
    reservations,
  };
}

/** What the overlay of a clone may come to take; its card is known. */
function clonedBytes({ fleet }: World, { sizeBytes, placement }: VolumeSpec): number {
  return overlayBytes(sizeBytes, cardOrThrow(fleet, placement.cardId ?? '').capabilities);
}

/** Each stack has a key of its own: a swap re-keys, and an old leg that came back would open nothing. */
export function keyRefOf(volumeId: string, stack: VolumeWant['stack'], stackGeneration: number): string | null {
  return stack.layers.some(({ kind }) => kind === 'encryption') ? derivedId('key', volumeId, stackGeneration) : null;
}

/** Breaks ties of placement: another way for each volume, the same way in its dry run. */
export function seedOf(volumeId: string): number {
  return Number.parseInt(volumeId.slice(-6), 36);
}
