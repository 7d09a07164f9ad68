import type { Capabilities, CapabilityName, Layer, Problem, Protocol } from '@flexbso/contracts';
import { cardLayersOf, legCompressionOf } from './layers.js';
import type { AddressKind, PlannedLeg } from './planned-volume.js';
import { problem } from './problems.js';

const ofAddress: Readonly<Record<AddressKind, CapabilityName | null>> = {
  file: 'leg.file',
  nbd: 'leg.nbd',
  memory: null,
};

/** What a card must be able to do to serve a stack over a protocol from such legs; sorted, without doubles. */
export function requiredCapabilities(
  layers: readonly Layer[],
  protocol: Protocol,
  legKinds: readonly AddressKind[],
): CapabilityName[] {
  const names = new Set<CapabilityName>([`front-end.${protocol}`]);
  for (const layer of cardLayersOf(layers)) {
    names.add(layer.kind);
    if (layer.kind === 'raid1' && layer.safeRead) names.add('safe-read');
  }
  for (const kind of legKinds) {
    const name = ofAddress[kind];
    if (name) names.add(name);
  }
  return [...names].toSorted();
}

/** What each pool of a stack must be able to do, besides serving legs. */
export function requiredPoolCapabilities(layers: readonly Layer[]): CapabilityName[] {
  return legCompressionOf(layers) === null ? [] : ['compress-leg'];
}

/**
 * Null when the card can do all that the stack needs, else `missing-capability`: which, on which card, and why
 * as the card itself said it. `cardCapabilities` as the card registered them.
 */
export function missingCapabilities(
  layers: readonly Layer[],
  protocol: Protocol,
  legKinds: readonly AddressKind[],
  cardCapabilities: Capabilities,
  cardId: string,
): Problem | null {
  const where = `card ${cardId}`;
  return (
    missingOf(requiredCapabilities(layers, protocol, legKinds), cardCapabilities, where) ??
    tooFewLegs(layers, cardCapabilities, where)
  );
}

/**
 * A mirror over fewer legs than the card can keep safe, as a problem. The capability `raid1` says so by its limit
 * `minLegCount`: a data plane that does not remember which leg missed a write needs a majority.
 */
export function tooFewLegs(layers: readonly Layer[], capabilities: Capabilities, where: string): Problem | null {
  const raid1 = layers.find((layer) => layer.kind === 'raid1');
  const minLegCount = capabilities.has.find(({ name }) => name === 'raid1')?.limits['minLegCount'];
  if (raid1 === undefined || typeof minLegCount !== 'number' || raid1.legCount >= minLegCount) return null;
  return problem(
    'missing-capability',
    `${where} mirrors over ${minLegCount} legs or more, so that a leg which missed a write is outvoted: set legCount to ${minLegCount} (it is ${raid1.legCount})`,
    { where, capabilities: ['raid1'], minLegCount, legCount: raid1.legCount },
  );
}

/** The first of `names` that `capabilities` lack, as a problem; `where` as in `card card-1` or `pool pool-2`. */
export function missingOf(names: readonly CapabilityName[], capabilities: Capabilities, where: string): Problem | null {
  const missing = names.filter((name) => !hasCapability(capabilities, name));
  if (missing.length === 0) return null;
  const reasons = missing.map((name) => `${name} (${reasonOf(name, capabilities)})`);
  return problem('missing-capability', `${where} lacks ${reasons.join('; ')}`, { where, capabilities: missing });
}

export function hasCapability(capabilities: Capabilities, name: CapabilityName): boolean {
  return capabilities.has.some((capability) => capability.name === name);
}

function reasonOf(name: CapabilityName, capabilities: Capabilities): string {
  return (
    capabilities.lacks.find((lacking) => lacking.name === name)?.reason ??
    'it was not found when its data plane was probed'
  );
}

/** How cards will reach the legs of a pool, from what the pool can serve; `memory` is the simulation's. */
export function addressKindOfPool(poolCapabilities: Capabilities): AddressKind {
  if (hasCapability(poolCapabilities, 'leg.nbd')) return 'nbd';
  return hasCapability(poolCapabilities, 'leg.file') ? 'file' : 'memory';
}

/** Whether legs become larger where they are: the card has them as files, and their pools can grow them. */
export function growsInPlace(
  legs: readonly Pick<PlannedLeg, 'poolId' | 'addressKind'>[],
  poolCapabilities: ReadonlyMap<string, Capabilities>,
): boolean {
  return legs.every(({ addressKind, poolId }) => {
    const capabilities = poolCapabilities.get(poolId);
    return addressKind !== 'nbd' && capabilities !== undefined && hasCapability(capabilities, 'grow-leg');
  });
}
