import { z } from 'zod';

/** One thing on which what is recorded and what is observed differ. */
export const checkDifferenceSchema = z.strictObject({
  /** Who shows it: `scheduler`, `card card-1`, `pool pool-1`. */
  where: z.string().max(80),
  /** Of which volume, leg, reservation or agent. */
  id: z.string().max(64),
  /** What differs, in words that an operator can act on. */
  what: z.string().max(500),
});
export type CheckDifference = z.infer<typeof checkDifferenceSchema>;

/**
 * What a comparison of the scheduler's database with every agent's data plane came to. Volumes with a change under way
 * are counted and not judged: what is observed of them is on its way.
 */
export const checkReportSchema = z.strictObject({
  v: z.literal(1),
  atMs: z.int(),
  volumes: z.int().min(0),
  legs: z.int().min(0),
  agents: z.int().min(0),
  underWay: z.int().min(0),
  /** The first 500; `differenceCount` says how many there are. */
  differences: z.array(checkDifferenceSchema).max(500),
  differenceCount: z.int().min(0),
});
export type CheckReport = z.infer<typeof checkReportSchema>;
