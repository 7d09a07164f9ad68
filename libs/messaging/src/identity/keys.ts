import { createCurve, createUser, fromCurveSeed, fromSeed } from '@nats-io/nkeys';
import { sealedSecretSchema, type SealedSecret } from '@flexbso/contracts';

/** A pair of keys in NATS' spelling. The seed is the secret half. */
export interface KeyPair {
  readonly publicKey: string;
  readonly seed: string;
}

/** A sealed secret was changed, or was sealed for another key, or by another sender. */
export class SealBrokenError extends Error {
  override readonly name = 'SealBrokenError';
  readonly code = 'seal_broken';
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

/** A new identity on the bus: an nkey user (`U...`, `SU...`). */
export function createIdentity(): KeyPair {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), seed: text(pair.getSeed()) };
}

/** The public key that belongs to an identity's seed. */
export function publicKeyOf(seed: string): string {
  return fromSeed(bytes(seed)).getPublicKey();
}

/** A new pair for sealing: an xkey on curve 25519 (`X...`, `SX...`). */
export function createSealingKey(): KeyPair {
  const pair = createCurve();
  return { publicKey: pair.getPublicKey(), seed: text(pair.getSeed()) };
}

/** The public key that belongs to a sealing key's seed. */
export function sealingPublicKeyOf(seed: string): string {
  return fromCurveSeed(bytes(seed)).getPublicKey();
}

/**
 * Seals bytes for one recipient, authenticated by the sender's key; a fresh nonce each time.
 *
 * @returns the sender's public key and the sealed bytes in base64
 */
export function seal(plain: Uint8Array, recipientPublicKey: string, senderSeed: string): SealedSecret {
  const sender = fromCurveSeed(bytes(senderSeed));
  const sealed = sender.seal(plain, recipientPublicKey);
  return sealedSecretSchema.parse({ from: sender.getPublicKey(), sealed: Buffer.from(sealed).toString('base64') });
}

/**
 * Opens what `seal` made.
 *
 * @throws SealBrokenError when it is not from `senderPublicKey` for this recipient, or was changed
 */
export function open(secret: SealedSecret, senderPublicKey: string, recipientSeed: string): Uint8Array {
  if (secret.from !== senderPublicKey) {
    throw new SealBrokenError(`sealed by ${secret.from}, not by ${senderPublicKey}`);
  }
  const opened = openedOrNull(secret, recipientSeed);
  if (!opened) throw new SealBrokenError('the sealed secret is damaged or was sealed for another key');
  return opened;
}

function openedOrNull(secret: SealedSecret, recipientSeed: string): Uint8Array | null {
  try {
    return fromCurveSeed(bytes(recipientSeed)).open(Buffer.from(secret.sealed, 'base64'), secret.from);
  } catch (cause) {
    throw new SealBrokenError('the sealed secret cannot be opened', { cause });
  }
}
