import type { Volume, VolumePatch } from '@flexbso/contracts';
import type { Random } from './random.js';

const MiB = 1024 ** 2;
const GROWTH_BYTES = 4 * MiB;

type Layer = NonNullable<VolumePatch['stack']>['layers'][number];

/** What a volume can be changed to: the pools that its card reaches, the card's own first, and which of these compress. */
export interface Reach {
  readonly poolIds: readonly string[];
  readonly compressingPoolIds: readonly string[];
}

/** A change to ask for, and what it is counted as. */
export interface Wish {
  readonly kind: string;
  readonly patch: VolumePatch;
}

/** A volume as it is to be, and what was changed of it so far. */
interface Draft {
  readonly volume: Volume;
  readonly layers: readonly Layer[];
  readonly poolIds: readonly string[];
  readonly patch: VolumePatch;
}

/** Null: makes no sense of this volume. */
type Kind = (draft: Draft, reach: Reach, random: Random) => Draft | null;

const encryption: Layer = { kind: 'encryption', cipher: 'aes-xts-256' };
const compression: Layer = { kind: 'compression', algorithm: 'zstd' };
const mirror = (safeRead: boolean): Layer => ({ kind: 'raid1', legCount: 3, safeRead });

const has = ({ layers }: Pick<Draft, 'layers'>, kind: Layer['kind']): boolean =>
  layers.some((layer) => layer.kind === kind);
const without = ({ layers }: Draft, kind: Layer['kind']): Layer[] => layers.filter((layer) => layer.kind !== kind);

const asked = (draft: Draft, patch: VolumePatch): Draft => ({ ...draft, patch: { ...draft.patch, ...patch } });
const stacked = (draft: Draft, layers: readonly Layer[]): Draft => ({
  ...asked(draft, { stack: { layers: [...layers] } }),
  layers,
});
const placed = (draft: Draft, poolIds: readonly string[]): Draft => ({
  ...asked(draft, { placement: { poolIds: [...poolIds] } }),
  poolIds,
});

const limits: Kind = (draft, _reach, random) => {
  const iopsTotal = random.between(300, 3000);
  const isBoth = random.chance(0.5);
  return asked(draft, {
    qos: isBoth ? { iopsTotal, bytesPerSecondTotal: random.between(8, 64) * MiB } : { iopsTotal },
  });
};
const noLimits: Kind = (draft) => (draft.volume.qos === null ? null : asked(draft, { qos: null }));

const label: Kind = (draft, _reach, random) => asked(draft, { labels: { round: `r${random.between(0, 1000)}` } });

const move: Kind = (draft, { poolIds, compressingPoolIds }, random) => {
  if (has(draft, 'raid1')) return null;
  const able = has(draft, 'compression') ? compressingPoolIds : poolIds;
  const others = able.filter((poolId) => !draft.poolIds.includes(poolId));
  return others.length === 0 ? null : placed(draft, [random.pick(others)]);
};

/** Where placement prefers, and nowhere else where that is where it is. */
const moveAnywhere: Kind = (draft) => (draft.patch.placement === undefined ? placed(draft, []) : null);

const mirrored: Kind = (draft, { poolIds }, random) =>
  has(draft, 'raid1') || has(draft, 'compression')
    ? null
    : placed(stacked(draft, [...draft.layers, mirror(random.chance(0.3))]), poolIds);
const oneLeg: Kind = (draft, { poolIds }, random) =>
  has(draft, 'raid1') ? placed(stacked(draft, without(draft, 'raid1')), [random.pick(poolIds)]) : null;
const safeRead: Kind = (draft) => {
  const [raid1] = draft.layers.filter((layer) => layer.kind === 'raid1');
  return raid1 ? stacked(draft, [...without(draft, 'raid1'), mirror(!raid1.safeRead)]) : null;
};

const encrypted: Kind = (draft) =>
  has(draft, 'encryption') || has(draft, 'compression') ? null : stacked(draft, [encryption, ...draft.layers]);
const plain: Kind = (draft) => (has(draft, 'encryption') ? stacked(draft, without(draft, 'encryption')) : null);
/** A new key is for a layer that was there before the change. */
const rekeyed: Kind = (draft) => {
  const { keyRef } = draft.volume;
  return keyRef !== null && has(draft, 'encryption') ? asked(draft, { rekey: { from: keyRef } }) : null;
};

const compressed: Kind = (draft, { compressingPoolIds }, random) =>
  draft.layers.length > 0 || compressingPoolIds.length === 0
    ? null
    : placed(stacked(draft, [compression]), [random.pick(compressingPoolIds)]);
const uncompressed: Kind = (draft) =>
  has(draft, 'compression') ? stacked(draft, without(draft, 'compression')) : null;

/** What nobody can do, so that refusals are met too. A client over NBD cannot be told that its volume has grown. */
const impossible: Kind = (draft, _reach, random) =>
  random.chance(0.5)
    ? asked(draft, { sizeBytes: draft.volume.sizeBytes + random.pick([-MiB, GROWTH_BYTES]) })
    : stacked(draft, [{ kind: 'raid0', legCount: 2 }]);

const kinds: Readonly<Record<string, Kind>> = {
  'limits set': limits,
  'limits lifted': noLimits,
  label,
  move,
  'move anywhere': moveAnywhere,
  mirror: mirrored,
  'one leg': oneLeg,
  'safe read on or off': safeRead,
  'encryption on': encrypted,
  'encryption off': plain,
  're-key': rekeyed,
  'compression on': compressed,
  'compression off': uncompressed,
  impossible,
};
export const wishKinds: readonly string[] = Object.keys(kinds);

/** Half of what snapshots do not follow says that it knows that; the rest is refused. */
function known({ snapshots }: Volume, patch: VolumePatch, random: Random): VolumePatch {
  return snapshots.length > 0 && random.chance(0.5) ? { ...patch, acknowledgeSnapshots: true } : patch;
}

/** A change that makes sense of this volume as it is; now and then two in one, and now and then one that is to be refused. */
export function wishFor(volume: Volume, reach: Reach, random: Random): Wish {
  const poolIds = volume.legs.filter(({ current }) => current).map(({ poolId }) => poolId);
  const none: Draft = { volume, layers: volume.stack.layers, poolIds, patch: {} };
  const [kind, draft] = oneOf(none, reach, random);
  if (kind === 'impossible' || random.chance(0.8)) return { kind, patch: known(volume, draft.patch, random) };
  const [other, both] = oneOf(draft, reach, random);
  return other === kind || other === 'impossible'
    ? { kind, patch: known(volume, draft.patch, random) }
    : { kind: 'combined', patch: known(volume, both.patch, random) };
}

function oneOf(draft: Draft, reach: Reach, random: Random): readonly [string, Draft] {
  for (;;) {
    const [name, kind] = random.pick(Object.entries(kinds));
    // Each in its turn would meet refusals more often than any change.
    if (name === 'impossible' && random.chance(0.7)) continue;
    const made = kind(draft, reach, random);
    if (made !== null) return [name, made];
  }
}
