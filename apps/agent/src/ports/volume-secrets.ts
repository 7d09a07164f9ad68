import { ProblemError, type DesiredVolume } from '@flexbso/contracts';
import type { CardSecrets } from '@flexbso/dataplane-port';
import { desiredStacks } from '@flexbso/stack';
import type { Sealer } from './sealer.js';

/** Opens a volume's secrets with the card's own seed, at the moment of use; nothing is kept. */
export function secretsOf(sealer: Sealer, desired: DesiredVolume): CardSecrets {
  return {
    volumeKey: async (keyRef) => {
      const encryptionKey = desiredStacks(desired)
        .map((stack) => stack.encryptionKey)
        .find((key) => key?.keyRef === keyRef);
      if (encryptionKey) return sealer.open(encryptionKey.sealedKey);
      throw new ProblemError({
        code: 'not-found',
        detail: `generation ${desired.generation} of ${desired.volumeId} names no key ${keyRef}`,
      });
    },
    legKey: async (legId) => {
      const leg = desiredStacks(desired)
        .flatMap(({ legs }) => legs)
        .find((one) => one.legId === legId);
      if (!leg)
        throw new ProblemError({
          code: 'not-found',
          detail: `generation ${desired.generation} of ${desired.volumeId} has no leg ${legId}`,
        });
      return leg.access && { identity: leg.access.identity, key: sealer.open(leg.access.sealedKey) };
    },
  };
}
