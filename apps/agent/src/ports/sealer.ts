import type { SealedSecret } from '@flexbso/contracts';

/** The machine's curve key: opens what was sealed to it, and seals for others. The seed never leaves it. */
export interface Sealer {
  readonly publicKey: string;
  open(secret: SealedSecret): Uint8Array;
  seal(plain: Uint8Array, recipientPublicKey: string): SealedSecret;
}
