import { z } from 'zod';
import { MAX_LABELS } from './limits.js';

const labelKey = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9./-]{0,61}[a-z0-9])?$/, 'a label key is 1 to 63 of a-z, 0-9, dot, slash, hyphen');
const labelValue = z
  .string()
  .regex(/^[A-Za-z0-9._-]{0,63}$/, 'a label value is up to 63 of A-Z, a-z, 0-9, dot, underscore, hyphen');

export const labelsSchema = z
  .record(labelKey, labelValue)
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`);
export type Labels = z.infer<typeof labelsSchema>;

/** Where something stands. `host` is the smallest failure domain; any label may serve as one too. */
export const failureDomainSchema = z.strictObject({
  host: z.string().min(1).max(63),
  rack: z.string().min(1).max(63),
  row: z.string().max(63).optional(),
});
export type FailureDomain = z.infer<typeof failureDomainSchema>;
