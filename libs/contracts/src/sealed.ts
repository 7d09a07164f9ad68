import { z } from 'zod';

/** A secret sealed for one reader's curve key (NATS xkey): who sealed it, and the sealed bytes in base64. */
export const sealedSecretSchema = z.strictObject({ from: z.string().max(100), sealed: z.string().max(4096) });
export type SealedSecret = z.infer<typeof sealedSecretSchema>;

/** The public half of a sealing key, as NATS writes curve keys: `X` and 55 base32 characters. */
export const sealingKeySchema = z.string().regex(/^X[A-Z2-7]{55}$/, 'a public curve key: X and 55 base32 characters');
