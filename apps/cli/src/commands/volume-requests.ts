import type { Layer, QosLimits, Volume, VolumePatch } from '@flexbso/contracts';
import type { ApiRequest } from '../client/api-client.js';
import { CommandError, exitCodes } from '../exit-codes.js';
import type { LimitsByName } from './context.js';

export interface CreateOptions {
  readonly size?: number;
  readonly from?: { readonly volume: string; readonly snapshot: string };
  readonly protocol?: string;
  readonly compression?: boolean;
  readonly encryption?: boolean;
  readonly raid1?: number;
  /** Of the mirror: its reads are checked. */
  readonly safeRead?: boolean;
  readonly alwaysRedundant?: boolean;
  readonly pool?: string[];
  readonly card?: string;
  readonly iops?: number;
  readonly bandwidth?: number;
  readonly limit?: LimitsByName;
  readonly label?: Record<string, string>;
}

export interface ChangeOptions {
  readonly size?: number;
  readonly compression?: 'on' | 'off';
  readonly encryption?: 'on' | 'off';
  /** Over how many legs it is mirrored; null: over none, it is on one leg. */
  readonly raid1?: number | null;
  /** Whether the reads of its mirror are checked. */
  readonly safeRead?: 'on' | 'off';
  /** Replaces the key that the volume has now. */
  readonly rekey?: boolean;
  /** Its snapshots stay as they are, and that is known. */
  readonly keepSnapshots?: boolean;
  readonly alwaysRedundant?: 'on' | 'off';
  readonly pool?: string[];
  readonly anyPool?: boolean;
  /** Null lifts the limit. */
  readonly iops?: number | null;
  readonly bandwidth?: number | null;
  readonly limit?: LimitsByName;
  readonly label?: Record<string, string>;
}

export interface FailoverOptions {
  readonly card?: string;
}

export interface AttachOptions {
  readonly card?: string;
  readonly function?: string;
}

/**
 * The request that asks for a volume.
 * @throws CommandError `usage` when reads are to be checked without a mirror, or no size is given
 */
export function createRequest(name: string, options: CreateOptions): ApiRequest {
  const layers: unknown[] = [
    ...(options.compression ? [{ kind: 'compression' }] : []),
    ...(options.encryption ? [{ kind: 'encryption' }] : []),
    ...(options.raid1 === undefined ? [] : [{ kind: 'raid1', legCount: options.raid1, safeRead: options.safeRead }]),
  ];
  if (options.safeRead && options.raid1 === undefined) throw noMirror();
  if (options.size === undefined)
    throw new CommandError(exitCodes.usage, 'say how large it is to be: --size 1GiB, or --from VOLUME/SNAPSHOT');
  const qos = limits({}, options);
  const placement = {
    ...(options.card === undefined ? {} : { cardId: options.card }),
    ...(options.pool === undefined ? {} : { poolIds: options.pool }),
  };
  const body = {
    name,
    sizeBytes: options.size,
    ...(options.protocol === undefined ? {} : { protocol: options.protocol }),
    ...(options.label === undefined ? {} : { labels: options.label }),
    ...(layers.length === 0 ? {} : { stack: { layers } }),
    ...(options.from === undefined ? {} : { fromSnapshot: options.from }),
    ...(options.alwaysRedundant ? { alwaysRedundant: true } : {}),
    ...(qos === null ? {} : { qos }),
    ...(Object.keys(placement).length === 0 ? {} : { placement }),
  };
  return { method: 'POST', path: '/v1/volumes', body };
}

/** No pool is named where placement is to choose. */
function movedTo({ pool, anyPool }: ChangeOptions): Pick<VolumePatch, 'placement'> {
  const poolIds = anyPool ? [] : pool;
  return poolIds === undefined ? {} : { placement: { poolIds } };
}

/**
 * The request that changes a volume, based on what it is now: what the options leave out stays.
 * @throws CommandError `usage` when nothing was asked for, a new key for a volume that has none, or checked reads without a mirror
 */
export function changeRequest(volume: Volume, options: ChangeOptions): ApiRequest {
  const patch: VolumePatch = {
    ...(options.size === undefined ? {} : { sizeBytes: options.size }),
    ...([options.compression, options.encryption, options.raid1, options.safeRead].every(
      (option) => option === undefined,
    )
      ? {}
      : { stack: { layers: changedLayers(volume, options) } }),
    ...(options.alwaysRedundant === undefined ? {} : { alwaysRedundant: options.alwaysRedundant === 'on' }),
    ...(options.rekey ? { rekey: { from: keyOf(volume) } } : {}),
    ...movedTo(options),
    ...([options.iops, options.bandwidth, options.limit].every((option) => option === undefined)
      ? {}
      : { qos: limits(volume.qos ?? {}, options) }),
    ...(options.label === undefined ? {} : { labels: { ...volume.labels, ...options.label } }),
  };
  const acknowledged = options.keepSnapshots ? { acknowledgeSnapshots: true as const } : {};
  if (Object.keys(patch).length > 0)
    return { ...updateOf(volume), method: 'PATCH', body: { ...patch, ...acknowledged } };
  throw new CommandError(
    exitCodes.usage,
    'say what to change: --size, --compression, --encryption, --raid1, --safe-read, --rekey, --always-redundant, --pool, --any-pool, --iops, --bandwidth, --limit or --label',
  );
}

function keyOf({ name, keyRef }: Volume): string {
  if (keyRef !== null) return keyRef;
  throw new CommandError(
    exitCodes.usage,
    `volume ${name} is not encrypted, so it has no key to replace: --encryption on makes one`,
  );
}

/** The request that ends a volume. */
export function deleteRequest(volume: Volume): ApiRequest {
  return { ...updateOf(volume), method: 'DELETE' };
}

/** The request that moves a volume off its unreachable card; without a card one is chosen. */
export function failoverRequest(volume: Volume, { card }: FailoverOptions): ApiRequest {
  const { path, headers } = updateOf(volume);
  return { path: `${path}/failover`, headers, method: 'POST', body: card === undefined ? {} : { cardId: card } };
}

/** The request that takes a volume off its card. */
export function detachRequest(volume: Volume): ApiRequest {
  const { path, headers } = updateOf(volume);
  return { path: `${path}/detach`, headers, method: 'POST' };
}

/** The request that shows a volume on a card and a function; what the options leave out is as it was, or chosen. */
export function attachRequest(volume: Volume, options: AttachOptions): ApiRequest {
  const { path, headers } = updateOf(volume);
  const body = {
    ...(options.card === undefined ? {} : { cardId: options.card }),
    ...(options.function === undefined ? {} : { functionId: options.function }),
  };
  return { path: `${path}/attach`, headers, method: 'POST', body };
}

/** By id, since a name may be another volume's by then. */
function updateOf({ volumeId, generation }: Volume) {
  return { path: `/v1/volumes/${volumeId}`, headers: { 'if-match': `"${generation}"` } };
}

type LayerOptions = Pick<ChangeOptions, 'compression' | 'encryption' | 'raid1' | 'safeRead'>;

/** From the top: compression, encryption, redundancy. What the options leave out stays. */
function changedLayers({ stack }: Volume, { compression, encryption, raid1, safeRead }: LayerOptions): Layer[] {
  const kept = (...kinds: Layer['kind'][]) => stack.layers.filter(({ kind }) => kinds.includes(kind));
  return [
    ...(compression === undefined ? kept('compression') : compressed(kept('compression'), compression)),
    ...(encryption === undefined ? kept('encryption') : encrypted(kept('encryption'), encryption)),
    ...redundant(kept('raid0', 'raid1', 'raid5f'), raid1, safeRead),
  ];
}

/** Who compresses is the scheduler's to choose. */
function compressed([now]: Layer[], wanted: 'on' | 'off'): Layer[] {
  return wanted === 'off' ? [] : [now ?? { kind: 'compression', algorithm: 'zstd' }];
}

function encrypted([now]: Layer[], wanted: 'on' | 'off'): Layer[] {
  return wanted === 'off' ? [] : [now ?? { kind: 'encryption', cipher: 'aes-xts-256' }];
}

/** What is left out stays: over how many legs, and how a mirror reads. */
function redundant(now: Layer[], legCount: ChangeOptions['raid1'], safeRead: ChangeOptions['safeRead']): Layer[] {
  const mirror = now.find((layer) => layer.kind === 'raid1');
  const wantedLegs = legCount === undefined ? mirror?.legCount : legCount;
  if (safeRead === 'on' && typeof wantedLegs !== 'number') throw noMirror();
  if (wantedLegs === undefined) return now;
  const isSafe = safeRead === undefined ? (mirror?.safeRead ?? false) : safeRead === 'on';
  return wantedLegs === null ? [] : [{ kind: 'raid1', legCount: wantedLegs, safeRead: isSafe }];
}

function noMirror(): CommandError {
  return new CommandError(exitCodes.usage, 'reads are checked against the other legs of a mirror: give --raid1 3 too');
}

/**
 * A total replaces whatever was set of the same unit, since a total and its parts exclude each other; what is named by itself
 * replaces itself alone.
 */
function limits(
  now: QosLimits,
  { iops, bandwidth, limit = {} }: Pick<ChangeOptions, 'iops' | 'bandwidth' | 'limit'>,
): QosLimits | null {
  const replaced = [...(iops === undefined ? [] : ['iops']), ...(bandwidth === undefined ? [] : ['bytesPerSecond'])];
  const wished = Object.entries({
    ...Object.fromEntries(Object.entries(now).filter(([name]) => !replaced.some((unit) => name.startsWith(unit)))),
    ...(iops === undefined ? {} : { iopsTotal: iops }),
    ...(bandwidth === undefined ? {} : { bytesPerSecondTotal: bandwidth }),
    ...limit,
  });
  const merged: QosLimits = Object.fromEntries(wished.filter(([, value]) => typeof value === 'number'));
  return Object.keys(merged).length === 0 ? null : merged;
}
