import { ProblemError, type VolumeSpec } from '@flexbso/contracts';
import { isSame } from '@flexbso/stack';
import { derivedId } from '../ids.js';
import type { LegRecord } from '../legs/leg-record.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import { originOf } from './kept-stacks.js';
import type { BaseStack, SnapshotRecord } from './snapshot-record.js';

/** What a clone is made from. */
export interface CloneSource {
  readonly volume: VolumeRecord;
  readonly snapshot: SnapshotRecord;
  readonly legs: readonly LegRecord[];
  /** How many read from the snapshot already. */
  readonly cloneCount: number;
}

/** Each holds a connection to every leg of the snapshot, of which pools serve so many. */
export const MAX_CLONES = 16;

/**
 * What is asked for, as far as it follows from the snapshot: its layers, and the card that its legs are open to.
 * @throws ProblemError `change-refused` for a snapshot that is not ready or has too many clones, `invalid-stack` for
 * another size or other layers, `no-placement` for another card
 */
export function clonedSpec(spec: VolumeSpec, source: CloneSource): VolumeSpec {
  const { volume, snapshot } = source;
  const what = `snapshot ${snapshot.name} of volume ${volume.name}`;
  const refusal = refusalOf(what, source);
  if (refusal !== null) throw new ProblemError({ code: 'change-refused', detail: refusal });
  if (spec.sizeBytes !== snapshot.sizeBytes) {
    const detail = `${what} has ${snapshot.sizeBytes} bytes, and ${spec.sizeBytes} are asked for; a clone has its snapshot's size, and may grow afterwards`;
    throw new ProblemError({ code: 'invalid-stack', detail, errors: [{ path: 'sizeBytes', message: detail }] });
  }
  if (spec.stack.layers.length > 0 && !isSame(spec.stack.layers, snapshot.stack.layers)) {
    const detail = 'a clone begins on the layers of its snapshot; leave stack out, and change it afterwards';
    throw new ProblemError({ code: 'invalid-stack', detail, errors: [{ path: 'stack.layers', message: detail }] });
  }
  const { cardId } = spec.placement;
  if (cardId !== undefined && cardId !== volume.cardId) {
    const detail = `the legs of ${what} are open to card ${volume.cardId} alone, and card ${cardId} is asked for; clone it there`;
    throw new ProblemError({ code: 'no-placement', detail, facts: { cardId: volume.cardId } });
  }
  return { ...spec, stack: snapshot.stack, placement: { ...spec.placement, cardId: volume.cardId } };
}

function refusalOf(what: string, { volume, snapshot, legs, cloneCount }: CloneSource): string | null {
  if (snapshot.state !== 'ready') return `${what} is ${snapshot.state}: it cannot be cloned`;
  if (cloneCount >= MAX_CLONES)
    return `${what} has ${cloneCount} clones that read from it, and may have ${MAX_CLONES}; move one to other pools, which makes it whole`;
  const generations = [snapshot, ...snapshot.bases].map(({ stackGeneration }) => stackGeneration);
  const unsaid = legs.find((leg) => generations.includes(leg.stackGeneration) && leg.address === null);
  if (unsaid)
    return `pool ${unsaid.poolId} has not said yet where it serves ${unsaid.legId}, on which ${what} lies; ask again in a moment`;
  // Two snapshots would keep one leg, and the deletion of either would have to ask for the clones of both.
  if (originOf({ want: volume.want, snapshots: [snapshot] }) && snapshot.bases.some(({ origin }) => origin))
    return `${what} lies on another volume's snapshot, since ${volume.name} was a clone when it was taken; clone that one, or take a snapshot once ${volume.name} is whole`;
  return null;
}

/** The stacks beneath the clone `volumeId`, the nearest first. Its keys for them have names of its own. */
export function basesOfClone(volumeId: string, { volume, snapshot, legs }: CloneSource): BaseStack[] {
  const origin = { volumeId: volume.volumeId, snapshotId: snapshot.snapshotId };
  return [snapshot, ...snapshot.bases].map(({ stackGeneration, stack, keyRef }): BaseStack => ({
    stackGeneration,
    stack,
    keyRef: keyRef === null ? null : derivedId('key', volumeId, 'base', stackGeneration),
    origin,
    legs: baseLegs(legs, stackGeneration),
  }));
}

/** Of a snapshot's legs what a clone keeps of those of one stack. */
export function baseLegs(legs: readonly LegRecord[], ofStack: number): NonNullable<BaseStack['legs']> {
  return legs
    .filter((leg) => leg.stackGeneration === ofStack)
    .map(({ legId, poolId, position, stackGeneration, sizeBytes, epoch, addressKind, address, access }) => {
      const at = { legId, poolId, position, stackGeneration };
      return { ...at, sizeBytes, epoch, addressKind, address, access };
    });
}

/** @throws ProblemError `change-refused` with the clones that read from what is to go, or to move */
export function refuseCloned(what: string, clones: readonly VolumeRecord[]): void {
  if (clones.length === 0) return;
  const names = clones.map(({ name, volumeId }) => `${name} (${volumeId})`).join(', ');
  throw new ProblemError({
    code: 'change-refused',
    detail: `${what}: clones read from it: ${names}; move each to other pools, which makes it whole, or delete it`,
    facts: { volumeIds: clones.map(({ volumeId }) => volumeId) },
  });
}
