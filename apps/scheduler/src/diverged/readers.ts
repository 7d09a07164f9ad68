import type { DesiredStack, DesiredVolume, KeptStack } from '@flexbso/contracts';
import type { RecordedVolume } from '../check/compare.js';
import { derivedId } from '../ids.js';
import { stacksOf, stacksOfSnapshot } from '../snapshots/kept-stacks.js';
import type { BaseStack } from '../snapshots/snapshot-record.js';
import type { Reality } from './reality.js';

type Origin = NonNullable<BaseStack['origin']>;

/** A clone that reads from another volume's snapshot, with what it tells of that. */
export interface Reader {
  readonly volumeId: string;
  readonly name: string;
  readonly origin: Origin;
  readonly sizeBytes: number;
  /** From the snapshot's own stack on downwards. */
  readonly stacks: readonly (Pick<BaseStack, 'stackGeneration' | 'stack'> & {
    readonly legs: readonly { readonly legId: string; readonly poolId: string }[];
  })[];
}

/** The id of a snapshot of which nobody knows more than its stack: whoever finds it gives it the same one. */
export function remadeSnapshotId(volumeId: string, stackGeneration: number): string {
  return derivedId('snap', volumeId, 'remade', stackGeneration);
}

/** What a clone's card was given to read from; `kept`: what its own snapshots read from. */
function sharedStacks({ bases = [], kept }: DesiredVolume): (DesiredStack | KeptStack)[] {
  return [
    ...bases.filter(({ shared }) => shared),
    ...(kept?.stacks.filter(({ origin }) => origin !== undefined) ?? []),
  ];
}

/**
 * On whose snapshot a clone stands: as its card was told, or else whose legs these are, as their pools tell. Null: nobody
 * knows.
 */
export function originGiven(given: DesiredVolume, reality: Reality, books: readonly RecordedVolume[]): Origin | null {
  const [first] = sharedStacks(given);
  if (!first) return null;
  if (first.origin) return first.origin;
  const volumeId = ownerOf(first.legs, reality);
  if (volumeId === null) return null;
  const { stackGeneration } = first;
  const owner = books.find(({ volume }) => volume.volumeId === volumeId);
  const recorded = owner?.volume.snapshots.find((one) => one.stackGeneration === stackGeneration);
  const told = reality.volumes
    .get(volumeId)
    ?.cards.flatMap((card) => card.given?.kept?.snapshots ?? [])
    .find(({ stackGenerations: [top] }) => top === stackGeneration);
  const { snapshotId } = told ?? recorded ?? { snapshotId: remadeSnapshotId(volumeId, stackGeneration) };
  return { volumeId, snapshotId };
}

function ownerOf(legs: readonly { readonly legId: string }[], { volumes }: Reality): string | null {
  const ids = new Set(legs.map(({ legId }) => legId));
  for (const [volumeId, parts] of volumes) if (parts.legs.some(({ legId }) => ids.has(legId))) return volumeId;
  return null;
}

/** The clones that read from a volume's snapshots: those that cards have, and of which none is heard those that are recorded. */
export function readersOf(volumeId: string, reality: Reality, books: readonly RecordedVolume[]): Reader[] {
  const onCards = [...reality.volumes].flatMap(([id, { cards }]) =>
    cards.flatMap(({ given }) => (id === volumeId || !given || given.tombstone ? [] : runningReader(given))),
  );
  function runningReader(given: DesiredVolume): Reader[] {
    const origin = originGiven(given, reality, books);
    if (origin?.volumeId !== volumeId) return [];
    const name = books.find(({ volume }) => volume.volumeId === given.volumeId)?.volume.name ?? given.volumeId;
    const stacks = sharedStacks(given).map(({ stackGeneration, layers, legs }) => ({
      stackGeneration,
      stack: { layers },
      legs: legs.map(({ legId, poolId }) => ({ legId, poolId })),
    }));
    return [{ volumeId: given.volumeId, name, origin, sizeBytes: given.sizeBytes, stacks }];
  }
  const onNoCard = books.filter(({ volume }) => (reality.volumes.get(volume.volumeId)?.cards.length ?? 0) === 0);
  return [...onCards, ...onNoCard.flatMap(({ volume }) => recordedReader(volume, volumeId))];
}

function recordedReader({ want, snapshots, ...volume }: RecordedVolume['volume'], ofVolumeId: string): Reader[] {
  const stacks = [...stacksOf(want), ...snapshots.flatMap(stacksOfSnapshot)].filter(
    ({ origin }) => origin?.volumeId === ofVolumeId,
  );
  const origin = stacks[0]?.origin;
  if (!origin) return [];
  const { volumeId, name } = volume;
  const read = stacks.map(({ stackGeneration, stack, legs = [] }) => ({ stackGeneration, stack, legs }));
  return [{ volumeId, name, origin, sizeBytes: want.sizeBytes, stacks: read }];
}

/** The clones by name. */
export function namesOf(readers: readonly Pick<Reader, 'name' | 'volumeId'>[]): string {
  return readers.map(({ name, volumeId }) => (name === volumeId ? name : `${name} (${volumeId})`)).join(', ');
}
