import {
  type Capabilities,
  type CapabilityName,
  MAX_OVERLAY_DEPTH,
  type Problem,
  type QosLimits,
} from '@flexbso/contracts';
import { missingOf, requiredCapabilities, tooFewLegs } from './capabilities.js';
import { isRedundancy, legCountOf, validateStack } from './layers.js';
import { chainOf } from './overlay.js';
import type { PlannedStack, PlannedVolume } from './planned-volume.js';
import { problem } from './problems.js';

/** Why the wanted stack, or one that it stands on, cannot exist as it is described, or null. */
export function stackProblem(desired: PlannedVolume): Problem | null {
  const chain = chainOf(desired);
  for (const stack of chain) {
    const problemOfOne = oneStackProblem(desired.volumeId, stack);
    if (problemOfOne) return problemOfOne;
  }
  // Node names, and the order in which stacks are closed, follow from it.
  const isDescending = chain.every((stack, index) => {
    const base = chain[index + 1];
    return base === undefined || base.stackGeneration < stack.stackGeneration;
  });
  if (isDescending && chain.length <= MAX_OVERLAY_DEPTH + 1) return null;
  return problem(
    'invalid-stack',
    isDescending
      ? `volume ${desired.volumeId}: ${chain.length - 1} stacks lie beneath each other, and ${MAX_OVERLAY_DEPTH} may`
      : `volume ${desired.volumeId}: an overlay is younger than its base; these are ${chain.map(({ stackGeneration }) => stackGeneration).join(' over ')}`,
  );
}

function oneStackProblem(volumeId: string, stack: PlannedStack): Problem | null {
  const invalid = validateStack(stack.layers);
  if (invalid) return invalid;
  const legCount = legCountOf(stack.layers);
  if (stack.legs.length !== legCount) {
    return problem(
      'invalid-stack',
      `volume ${volumeId}: its layers stand on ${legCount} legs, and ${stack.legs.length} are given`,
    );
  }
  if (new Set(stack.legs.map(({ legId }) => legId)).size !== legCount)
    return problem('invalid-stack', `volume ${volumeId}: a leg is named twice`);
  const isEncrypted = stack.layers.some(({ kind }) => kind === 'encryption');
  if (isEncrypted !== (stack.keyRef !== null)) {
    return problem(
      'invalid-stack',
      `volume ${volumeId}: a key is given exactly with an encryption layer (layer: ${isEncrypted}, key: ${stack.keyRef !== null})`,
    );
  }
  return null;
}

/** Why a card cannot build the wanted stack (`alsoNeeded`: what else the plan takes), or null. */
export function buildProblem(
  cardId: string,
  desired: PlannedVolume,
  capabilities: Capabilities,
  alsoNeeded: readonly CapabilityName[],
): Problem | null {
  const chain = chainOf(desired);
  const layers = chain.flatMap((stack) => stack.layers);
  const kinds = chain.flatMap(({ legs }) => legs.map(({ addressKind }) => addressKind));
  const needed = requiredCapabilities(layers, desired.export.protocol, kinds);
  const overlay: CapabilityName[] = chain.length > 1 ? ['snapshot'] : [];
  const where = `card ${cardId}`;
  return (
    missingOf([...needed, ...overlay, ...limitsNeed(desired.qos), ...alsoNeeded], capabilities, where) ??
    tooFewLegs(desired.stack.layers, capabilities, where)
  );
}

export function limitsNeed(qos: QosLimits | null): CapabilityName[] {
  return qos !== null && Object.keys(qos).length > 0 ? ['qos'] : [];
}

/** Why the volume cannot go from `fromSizeBytes` to the wanted size where it is, or null. */
export function growProblem(
  cardId: string,
  desired: PlannedVolume,
  fromSizeBytes: number,
  capabilities: Capabilities,
): Problem | null {
  if (desired.sizeBytes < fromSizeBytes) return shrinkProblem(desired, fromSizeBytes);
  const rigid = overlayProblem(desired) ?? rigidProblem(desired);
  if (rigid) return rigid;
  const remote = desired.stack.legs.find(({ addressKind }) => addressKind === 'nbd');
  if (remote) {
    return problem(
      'change-refused',
      `volume ${desired.volumeId} cannot grow in place: ${remote.legId} on pool ${remote.poolId} is reached over the network and has a fixed size; it grows by a swap to a larger leg`,
      {
        legId: remote.legId,
        poolId: remote.poolId,
      },
    );
  }
  return untoldProblem(cardId, desired, capabilities);
}

/** Its tables are made for one size, and so is the room beneath it. */
function overlayProblem({ volumeId, stack, bases = [] }: PlannedVolume): Problem | null {
  const [base] = bases;
  if (base === undefined) return null;
  return problem(
    'change-refused',
    `volume ${volumeId} cannot grow in place: it stands on a snapshot (stack ${stack.stackGeneration} over ${base.stackGeneration}); it grows by a swap to a larger stack, which leaves the snapshot where it is`,
    { stackGeneration: stack.stackGeneration, baseStackGeneration: base.stackGeneration },
  );
}

function rigidProblem({ volumeId, stack }: PlannedVolume): Problem | null {
  const rigid = stack.layers.find(({ kind }) => kind !== 'encryption');
  if (!rigid) return null;
  return problem(
    'change-refused',
    `volume ${volumeId} cannot grow on this stack: its ${rigid.kind} layer has a fixed size. It grows by way of one leg: change to a stack without ${rigid.kind} and to the new size at once (encryption may stay), and then back; ${isRedundancy(rigid) ? 'redundancy' : rigid.kind} is absent in between`,
    { layer: rigid.kind },
  );
}

export function shrinkProblem(desired: PlannedVolume, fromSizeBytes: number): Problem {
  return problem(
    'change-refused',
    `volume ${desired.volumeId} has ${fromSizeBytes} bytes and cannot shrink to ${desired.sizeBytes}: the guest's data beyond would be lost`,
    {
      fromSizeBytes,
      sizeBytes: desired.sizeBytes,
    },
  );
}

/** Why a swap to a stack of the wanted size cannot end in a volume of that size, or null. */
export function swapGrowProblem(
  cardId: string,
  desired: PlannedVolume,
  fromSizeBytes: number,
  capabilities: Capabilities,
): Problem | null {
  if (desired.sizeBytes === fromSizeBytes) return null;
  if (desired.sizeBytes < fromSizeBytes) return shrinkProblem(desired, fromSizeBytes);
  return rigidProblem(desired) ?? untoldProblem(cardId, desired, capabilities);
}

/**
 * Growing the head comes after what cannot be taken back, be it a cut-over or a leg that has grown, so a front end that
 * may refuse it then is refused before. Who is attached by then nobody knows now.
 * `frontEnd` among the capability's limits: the only protocol over which a guest is told of a new size.
 */
function untoldProblem(cardId: string, { volumeId, export: shown }: PlannedVolume, capabilities: Capabilities) {
  const missing = missingOf(['live-grow'], capabilities, `card ${cardId}`);
  if (missing) return missing;
  const frontEnd = capabilities.has.find(({ name }) => name === 'live-grow')?.limits['frontEnd'];
  if (frontEnd === undefined || frontEnd === shown.protocol) return null;
  return problem(
    'missing-capability',
    `card ${cardId} can tell a guest of a new size over ${frontEnd} only (live-grow), and volume ${volumeId} is shown over ${shown.protocol}; a volume that is to grow there is created with protocol ${frontEnd}`,
    { cardId, capability: 'live-grow', protocol: shown.protocol },
  );
}
