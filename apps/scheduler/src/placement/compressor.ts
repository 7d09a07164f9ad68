import { type Capabilities, type CapabilityName, type Layer, type Problem, ProblemError } from '@flexbso/contracts';
import type { Fleet } from '@flexbso/placement';
import { compressionOf, hasCapability } from '@flexbso/stack';

type By = NonNullable<NonNullable<ReturnType<typeof compressionOf>>['by']>;

/** The same layers, compressed by these. */
export function compressedBy(layers: readonly Layer[], by: By): Layer[] {
  return layers.map((layer) => (layer.kind === 'compression' ? { ...layer, by } : layer));
}

/**
 * The layers that a change asks for, saying who compresses: as asked; else as it is now; else the card if it can, and
 * the pools if not. Encryption lies above what pools do, so with it the card is asked before what is now.
 */
export function withCompressor(asked: readonly Layer[], present: readonly Layer[], card: Capabilities): Layer[] {
  const wanted = compressionOf(asked);
  if (wanted === null || wanted.by !== undefined) return [...asked];
  const isEncrypted = asked.some(({ kind }) => kind === 'encryption');
  const able = hasCapability(card, 'compression') ? 'card' : 'pools';
  const now = compressionOf(present)?.by;
  return compressedBy(asked, isEncrypted || now === undefined ? able : now);
}

/** Each way in which a new volume's stack can be compressed, the preferred one first; without compression, the stack itself. */
export function compressorsFor(asked: readonly Layer[], fleet: Fleet): Layer[][] {
  const wanted = compressionOf(asked);
  if (wanted === null || wanted.by !== undefined) return [[...asked]];
  const isCardAble = [...fleet.cards()].some(({ capabilities }) => capabilities.has('compression'));
  const isPoolAble = [...fleet.pools()].some(({ capabilities }) => capabilities.has('compress-leg'));
  const isEncrypted = asked.some(({ kind }) => kind === 'encryption');
  const ways = [
    ...(isCardAble ? [compressedBy(asked, 'card')] : []),
    ...(isPoolAble && !isEncrypted ? [compressedBy(asked, 'pools')] : []),
  ];
  return ways.length > 0 ? ways : [compressedBy(asked, 'pools')];
}

/** The first way that is not refused. @throws the refusal of the first way when every one is. */
export function firstAccepted<Made>(ways: readonly Layer[][], make: (layers: Layer[]) => Made): Made {
  let refusal: ProblemError | null = null;
  for (const layers of ways) {
    try {
      return make(layers);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      refusal ??= error;
    }
  }
  throw refusal ?? new Error('there is no way to make the volume');
}

/** How many pools a refusal gives the reasons of; the others are counted. */
const MAX_REASONS = 5;

/** When pools that are named, or all that there are, lack what is asked of them, their own reasons; else null. */
export function lackOfPools(fleet: Fleet, named: readonly string[], needed: readonly CapabilityName[]): Problem | null {
  if (needed.length === 0) return null;
  const candidates = [...fleet.pools()].filter(({ snapshot }) => named.length === 0 || named.includes(snapshot.poolId));
  const lacking = candidates.filter((pool) => needed.some((name) => !pool.capabilities.has(name)));
  // Among pools that nobody named, one that can is enough for this not to be the reason.
  if (lacking.length === 0 || (named.length === 0 && lacking.length < candidates.length)) return null;
  const reasons = lacking
    .slice(0, MAX_REASONS)
    .map(({ snapshot }) => `${snapshot.poolId} (${reasonOf(snapshot.capabilities, needed)})`);
  const more = lacking.length > MAX_REASONS ? `, and ${lacking.length - MAX_REASONS} more` : '';
  return {
    code: 'missing-capability',
    detail: `${named.length > 0 ? 'a pool that was named' : 'every pool'} lacks ${needed.join(', ')}: ${reasons.join('; ')}${more}`,
    facts: { capabilities: [...needed], poolIds: lacking.map(({ snapshot }) => snapshot.poolId).slice(0, MAX_REASONS) },
  };
}

function reasonOf({ lacks }: Capabilities, needed: readonly CapabilityName[]): string {
  const reasons = lacks.filter(({ name }) => needed.includes(name)).map(({ reason }) => reason);
  return reasons.join('; ') || 'it was not found when its data plane was probed';
}
