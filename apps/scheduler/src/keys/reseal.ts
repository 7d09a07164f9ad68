import type { DesiredStack } from '@flexbso/contracts';
import type { Aggregate, Draft } from '../changes/draft.js';
import { announceVolume } from '../changes/saga.js';
import { givePool, retellCard } from '../desired/desired-items.js';
import { isOfSnapshotsAlone, sealAnew } from './seal-anew.js';
import type { Vault } from './vault.js';

/** Whether anything of the volume is sealed, or will be, to another key than the card's. */
export function isSealedToAnother({ keys, legs, volume }: Aggregate, sealingKey: string | undefined): boolean {
  if (sealingKey === undefined) return false;
  return (
    keys.some((key) => key.sealedTo !== sealingKey && !isOfSnapshotsAlone(volume, key)) ||
    legs.some(({ holder }) => holder.cardId === volume.cardId && holder.sealingKey !== sealingKey)
  );
}

/**
 * The card has another sealing key now, to which an operator has consented: volume keys are sealed to it again, and pools
 * learn it, so that they seal the legs' keys again. Operations stay the same: nothing is to be done but to be able to.
 *
 * @throws WrappedKeyError when a key that the volume needs does not open under the key file
 */
export function resealTo(draft: Draft, sealingKey: string, vault: Vault): void {
  const { volume } = draft;
  sealAnew(draft, sealingKey, vault);
  for (const leg of draft.legs) {
    if (leg.holder.cardId !== volume.cardId || leg.holder.sealingKey === sealingKey) continue;
    leg.holder = { ...leg.holder, sealingKey };
    givePool(draft, leg);
  }
  const sealed = new Map(draft.keys.map((key) => [key.keyRef, key.sealed]));
  const keyNow = (key: DesiredStack['encryptionKey']) => {
    const sealedKey = key && sealed.get(key.keyRef);
    return key && sealedKey ? { ...key, sealedKey } : key;
  };
  // Snapshots' keys are told beside those of the stacks.
  if (draft.keys.length > 0)
    retellCard(
      draft,
      ({ encryptionKey, ...stack }) => ({ ...stack, encryptionKey: keyNow(encryptionKey) }),
      ({ encryptionKey, ...stack }) => ({ ...stack, encryptionKey: keyNow(encryptionKey) }),
    );
  announceVolume(draft, 'resealed');
}
