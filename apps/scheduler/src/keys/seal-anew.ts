import type { Draft } from '../changes/draft.js';
import { stacksOf } from '../snapshots/kept-stacks.js';
import type { VolumeRecord } from '../volumes/volume-record.js';
import type { KeyRecord } from './key-record.js';
import type { Vault } from './vault.js';

/** Only its card opens it, since the database was restored, and nothing that the volume runs on needs it. */
export function isOfSnapshotsAlone({ want }: Pick<VolumeRecord, 'want'>, { keyRef, wrapped }: KeyRecord): boolean {
  return wrapped === null && !stacksOf(want).some((stack) => stack.keyRef === keyRef);
}

/**
 * Seals the volume's keys to a card's sealing key. A snapshot whose key cannot be is not in the volume's way: it is good
 * for nothing but to be deleted from then on.
 * @throws WrappedKeyError when a key that the volume needs does not open
 */
export function sealAnew(draft: Draft, sealingKey: string, vault: Vault): void {
  const { volume } = draft;
  const isLeft = (key: KeyRecord) => key.sealedTo !== sealingKey && isOfSnapshotsAlone(volume, key);
  const lost = new Set(draft.keys.filter(isLeft).map(({ keyRef }) => keyRef));
  draft.keys = draft.keys.map((key) =>
    key.sealedTo === sealingKey || lost.has(key.keyRef) ? key : vault.reseal(key, sealingKey),
  );
  for (const snapshot of volume.snapshots)
    if ([snapshot, ...snapshot.bases].some(({ keyRef }) => keyRef !== null && lost.has(keyRef)))
      snapshot.state = 'deleting';
}
