import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { SealedSecret } from '@flexbso/contracts';
import type { Randomness } from '../ports.js';
import type { KeyRecord } from './key-record.js';

/** AES-XTS with 256-bit keys takes 64 bytes, derived by LUKS from this passphrase; 32 random bytes are its full strength. */
const keyBytes = 32;
/** What NIST SP 800-38D recommends for GCM; random nonces stay safe for 2^32 keys under one wrap key. */
const nonceBytes = 12;
const tagBytes = 16;

/** Seals bytes for the holder of a curve key; the production one is of libs/messaging. */
export type Seal = (plain: Uint8Array, recipientPublicKey: string) => SealedSecret;

export interface VaultParts {
  /** 32 bytes, from the key file. */
  readonly wrapKey: Uint8Array;
  readonly seal: Seal;
  readonly randomness: Randomness;
}

/** The key file in use is not the one that this key was wrapped under, or the row was changed. */
export class WrappedKeyError extends Error {
  override readonly name = 'WrappedKeyError';
  readonly code = 'wrapped_key';
}

/**
 * Makes volume keys and never hands one out: what leaves is wrapped for the database, or sealed for one card. The
 * wrapped form is bound to the key's reference, so that a row moved under another reference does not open.
 */
export class Vault {
  readonly #parts: VaultParts;

  constructor(parts: VaultParts) {
    this.#parts = parts;
  }

  make(facts: Pick<KeyRecord, 'keyRef' | 'volumeId' | 'stackGeneration'>, cardSealingKey: string): KeyRecord {
    const key = this.#parts.randomness.bytes(keyBytes);
    try {
      return {
        ...facts,
        wrapped: this.#wrap(key, facts.keyRef),
        sealed: this.#parts.seal(key, cardSealingKey),
        sealedTo: cardSealingKey,
      };
    } finally {
      key.fill(0);
    }
  }

  /** The same key for a card whose sealing key is another now. @throws WrappedKeyError when the wrapped form does not open. */
  reseal(record: KeyRecord, cardSealingKey: string): KeyRecord {
    const key = this.#unwrap(record);
    try {
      return { ...record, sealed: this.#parts.seal(key, cardSealingKey), sealedTo: cardSealingKey };
    } finally {
      key.fill(0);
    }
  }

  /**
   * The same key under another reference: of a clone, which opens what it stands on with it, on the card that has it. One
   * that only the card opens stays so. @throws WrappedKeyError when the wrapped form does not open.
   */
  renamed(record: KeyRecord, facts: Pick<KeyRecord, 'keyRef' | 'volumeId' | 'stackGeneration'>): KeyRecord {
    if (record.wrapped === null) return { ...record, ...facts };
    const key = this.#unwrap(record);
    try {
      return { ...record, ...facts, wrapped: this.#wrap(key, facts.keyRef) };
    } finally {
      key.fill(0);
    }
  }

  #wrap(key: Uint8Array, keyRef: string): string {
    const nonce = this.#parts.randomness.bytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#parts.wrapKey, nonce).setAAD(Buffer.from(keyRef));
    const ciphertext = Buffer.concat([cipher.update(key), cipher.final()]);
    return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64');
  }

  #unwrap({ wrapped, keyRef, volumeId }: KeyRecord): Buffer {
    if (wrapped === null) {
      throw new WrappedKeyError(
        `${keyRef} of ${volumeId} was made after the copy that the database was restored from: only its card opens it; change the volume's stack or pools, which gives it a new key`,
      );
    }
    const bytes = Buffer.from(wrapped, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#parts.wrapKey, bytes.subarray(0, nonceBytes));
    decipher.setAAD(Buffer.from(keyRef)).setAuthTag(bytes.subarray(-tagBytes));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]);
    } catch (cause) {
      throw new WrappedKeyError(
        `${keyRef} does not open under this key file; start with the one that it was made with`,
        { cause },
      );
    }
  }
}
