import type { Volume, VolumePatch } from '@flexbso/contracts';
import type { Chance } from '../time/chance.js';

const MIB = 1024 ** 2;
const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;

/** What a client could ask for a new volume; a clone, where another has a snapshot. */
export function newVolume(chance: Chance, name: string, poolIds: readonly string[], other: Volume | null) {
  if (other !== null && other.snapshots.length > 0) {
    const fromSnapshot = { volume: other.name, snapshot: chance.pick(other.snapshots).name };
    return { name, sizeBytes: other.sizeBytes, protocol: 'nbd', fromSnapshot };
  }
  return {
    name,
    sizeBytes: chance.pick([8, 16, 32]) * MIB,
    protocol: 'nbd',
    stack: { layers: layers(chance) },
    qos: chance.isOneIn(2) ? null : limits(chance),
    ...(chance.isOneIn(2) ? {} : { placement: { poolIds: [chance.pick(poolIds)] } }),
  };
}

/** What a client could want to be different about a volume; several things at once now and then. */
export function patchOf(chance: Chance, volume: Volume, poolIds: readonly string[]): VolumePatch {
  const patch: VolumePatch = {};
  const wishes = [
    () => (patch.qos = volume.qos === null || chance.isOneIn(2) ? limits(chance) : null),
    () => (patch.placement = { poolIds: [chance.pick(poolIds)] }),
    () => (patch.stack = { layers: layers(chance) }),
    () => (patch.sizeBytes = volume.sizeBytes + chance.pick([1, 4, 8]) * MIB),
  ];
  chance.pick(wishes)();
  if (chance.isOneIn(3)) chance.pick(wishes)();
  // Some ask without knowing of snapshots, and are refused.
  if (volume.snapshots.length > 0 && !chance.isOneIn(4)) patch.acknowledgeSnapshots = true;
  return patch;
}

function limits(chance: Chance): NonNullable<VolumePatch['qos']> {
  return {
    iopsTotal: chance.int(1, 50) * 100,
    ...(chance.isOneIn(2) ? { bytesPerSecondTotal: chance.int(1, 50) * MIB } : {}),
  };
}

function layers(chance: Chance): NonNullable<VolumePatch['stack']>['layers'] {
  return [
    ...(chance.isOneIn(4) ? [{ kind: 'compression', algorithm: 'zstd' } as const] : []),
    ...(chance.isOneIn(2) ? [encryption] : []),
    ...(chance.isOneIn(2) ? [{ kind: 'raid1', legCount: chance.pick([2, 3]), safeRead: false } as const] : []),
  ];
}
