import type { Capabilities, CapabilityName, Problem, QosLimits } from '@flexbso/contracts';
import { missingOf, requiredCapabilities, tooFewLegs } from './capabilities.js';
import { legCountOf, validateStack } from './layers.js';
import type { PlannedVolume } from './planned-volume.js';
import { problem } from './problems.js';

/** Why the wanted stack cannot exist as it is described, or null. */
export function stackProblem({ stack, volumeId }: PlannedVolume): Problem | null {
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
  const { stack } = desired;
  const needed = requiredCapabilities(
    stack.layers,
    desired.export.protocol,
    stack.legs.map(({ addressKind }) => addressKind),
  );
  const where = `card ${cardId}`;
  return (
    missingOf([...needed, ...limitsNeed(desired.qos), ...alsoNeeded], capabilities, where) ??
    tooFewLegs(stack.layers, capabilities, where)
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
  const { layers, legs } = desired.stack;
  const rigid = layers.find(({ kind }) => kind !== 'encryption');
  const where = `volume ${desired.volumeId} cannot grow in place`;
  if (rigid)
    return problem(
      'change-refused',
      `${where}: its ${rigid.kind} layer has a fixed size; swap to a plain stack, grow, and swap back`,
      { layer: rigid.kind },
    );
  const remote = legs.find(({ addressKind }) => addressKind === 'nbd');
  if (remote) {
    return problem(
      'change-refused',
      `${where}: ${remote.legId} on pool ${remote.poolId} is reached over the network and has a fixed size; move it to the card's own pool first`,
      {
        legId: remote.legId,
        poolId: remote.poolId,
      },
    );
  }
  return missingOf(['live-grow'], capabilities, `card ${cardId}`);
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

/** A swap's new stack has exactly the size of the old, so size and stack are changed one after the other. */
export function sizeInSwapProblem(desired: PlannedVolume, fromSizeBytes: number): Problem | null {
  if (desired.sizeBytes === fromSizeBytes) return null;
  if (desired.sizeBytes < fromSizeBytes) return shrinkProblem(desired, fromSizeBytes);
  return problem(
    'change-refused',
    `volume ${desired.volumeId}: size and stack or pools cannot change in one step; do them one after the other`,
    {
      fromSizeBytes,
      sizeBytes: desired.sizeBytes,
    },
  );
}
