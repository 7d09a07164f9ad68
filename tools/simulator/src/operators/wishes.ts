import type { Volume, VolumePatch } from '@flexbso/contracts';
import type { Chance } from '../time/chance.js';

const MIB = 1024 ** 2;
const encryption = { kind: 'encryption', cipher: 'aes-xts-256' } as const;

/** What of a volume decides what else could be wanted of it. */
type Wished = Pick<Volume, 'sizeBytes' | 'qos' | 'keyRef' | 'snapshots'>;

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
export function patchOf(chance: Chance, volume: Wished, poolIds: readonly string[]): VolumePatch {
  const patch: VolumePatch = {};
  const wishes = [
    () => (patch.qos = limitsOf(chance, volume)),
    () => (patch.placement = { poolIds: placeOf(chance, poolIds) }),
    () => (patch.stack = { layers: layers(chance) }),
    () => (patch.sizeBytes = volume.sizeBytes + chance.pick([1, 4, 8]) * MIB),
    () => (patch.alwaysRedundant = chance.isOneIn(3)),
    ...(volume.keyRef === null ? [] : [() => (patch.rekey = { from: volume.keyRef ?? '' })]),
  ];
  chance.pick(wishes)();
  if (chance.isOneIn(3)) chance.pick(wishes)();
  // Some ask without knowing of snapshots, and are refused.
  if (volume.snapshots.length > 0 && !chance.isOneIn(4)) patch.acknowledgeSnapshots = true;
  return patch;
}

/** One pool, or where placement prefers. One draw either way: what is drawn after it stays as it is. */
function placeOf(chance: Chance, poolIds: readonly string[]): string[] {
  return chance.pick([...poolIds.map((poolId) => [poolId]), []]);
}

/** Where a client could want its volume to be shown, if anywhere else than now; null: it wants something else. */
export function attachmentOf(chance: Chance, { attached }: Volume, cardIds: readonly string[]) {
  if (!attached)
    return chance.isOneIn(3)
      ? null
      : { verb: 'attach-volume', wish: chance.isOneIn(2) ? {} : { cardId: chance.pick(cardIds) } };
  if (chance.isOneIn(8)) return { verb: 'detach-volume', wish: {} };
  return chance.isOneIn(8) ? { verb: 'attach-volume', wish: { functionId: `vf-${chance.int(0, 15)}` } } : null;
}

/** Other limits than the volume has, or none. */
export function limitsOf(chance: Chance, { qos }: Pick<Volume, 'qos'>): NonNullable<VolumePatch['qos']> | null {
  return qos === null || chance.isOneIn(2) ? limits(chance) : null;
}

function limits(chance: Chance): NonNullable<VolumePatch['qos']> {
  return {
    iopsTotal: chance.int(1, 50) * 100,
    ...(chance.isOneIn(2) ? { bytesPerSecondTotal: chance.int(1, 50) * MIB } : {}),
  };
}

/** By the pools' legs, or by the card. */
function compression(chance: Chance) {
  const by = chance.pick(['card', 'pools'] as const);
  return { kind: 'compression', algorithm: 'zstd', by } as const;
}

function layers(chance: Chance): NonNullable<VolumePatch['stack']>['layers'] {
  return [
    ...(chance.isOneIn(4) ? [compression(chance)] : []),
    ...(chance.isOneIn(2) ? [encryption] : []),
    ...(chance.isOneIn(2)
      ? [{ kind: 'raid1', legCount: chance.pick([2, 3]), safeRead: chance.isOneIn(2) } as const]
      : []),
  ];
}
