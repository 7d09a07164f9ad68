import type { SealedSecret } from '@flexbso/contracts';

/** A volume's key: wrapped under the key file, and sealed to the card that opens it. Never the key itself. */
export interface KeyRecord {
  keyRef: string;
  volumeId: string;
  stackGeneration: number;
  /**
   * AES-256-GCM: nonce, ciphertext and tag, base64. Null: the key was made after the copy that the database was restored
   * from, so that only the card can open it.
   */
  wrapped: string | null;
  sealed: SealedSecret;
  /** The card's sealing key that `sealed` is for. */
  sealedTo: string;
}
