import type { DesiredVolume, KeptSnapshot, KeptStack } from '@flexbso/contracts';
import type { Draft } from '../changes/draft.js';
import { carriersOf, snapshotsAfter, stacksOfSnapshot } from '../snapshots/kept-stacks.js';
import type { BaseStack, SnapshotRecord } from '../snapshots/snapshot-record.js';

/**
 * What the card is told of the volume's snapshots, for a database that is put back to a copy from before them. Said also
 * where there are none above a stack that lies beneath: that one is no snapshot any more.
 */
export function keptOf(draft: Pick<Draft, 'volume' | 'change' | 'legs' | 'keys'>): Pick<DesiredVolume, 'kept'> {
  const { want } = draft.volume;
  const snapshots = snapshotsAfter(draft);
  if (snapshots.length === 0 && want.bases === undefined) return {};
  const given = new Set(carriersOf(want));
  const stacks = new Map(snapshots.flatMap(stacksOfSnapshot).map((stack) => [stack.stackGeneration, stack]));
  const beside = [...stacks.values()].filter(({ stackGeneration }) => !given.has(stackGeneration));
  return {
    kept: { snapshots: snapshots.map(keptSnapshot), stacks: beside.flatMap((stack) => keptStack(draft, stack)) },
  };
}

function keptSnapshot(snapshot: SnapshotRecord): KeptSnapshot {
  const { snapshotId, name, state, sizeBytes, changeId, createdAtMs } = snapshot;
  return {
    snapshotId,
    name,
    state: state === 'deleting' ? state : 'ready',
    sizeBytes,
    stackGenerations: stacksOfSnapshot(snapshot).map(({ stackGeneration }) => stackGeneration),
    changeId,
    createdAtMs,
  };
}

/** None of its legs is left where a restore found none. */
function keptStack({ legs, keys }: Pick<Draft, 'legs' | 'keys'>, stack: BaseStack): KeptStack[] {
  const { stackGeneration, stack: spec, keyRef, origin } = stack;
  const key = keys.find((one) => one.keyRef === keyRef);
  const ofStack = (stack.legs ?? legs)
    .filter((leg) => leg.stackGeneration === stackGeneration)
    .toSorted((left, right) => left.position - right.position)
    .map(({ legId, poolId }) => ({ legId, poolId }));
  if (ofStack.length === 0) return [];
  return [
    {
      stackGeneration,
      layers: spec.layers,
      encryptionKey: key ? { keyRef: key.keyRef, sealedKey: key.sealed } : null,
      ...(origin === undefined ? {} : { origin }),
      legs: ofStack,
    },
  ];
}
