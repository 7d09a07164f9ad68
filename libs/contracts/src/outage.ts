import { z } from 'zod';

/** A time in which a volume that carried a guest did none of its I/O, because its data plane was gone. In ms since the epoch. */
export const outageSchema = z.strictObject({
  fromMs: z.int(),
  untilMs: z.int(),
  /** False: nobody saw it go. It was last seen to serve at `fromMs`, so it was away for this long at most. */
  fromIsExact: z.boolean(),
  /** What was in flight when it went is lost to the device: the guest has to reset it before it uses it again. */
  guestMustReset: z.boolean(),
  /**
   * There when it runs on an overlay, and its data plane did not end in order, or nobody knows whether it did: what the
   * guest wrote before and had not flushed is lost, and a flush afterwards does not bring it back.
   */
  unflushedLost: z.literal(true).optional(),
});
export type Outage = z.infer<typeof outageSchema>;
