import { z } from 'zod';
import { cardIdSchema, changeIdSchema, volumeIdSchema } from './ids.js';

/** Also the name of a file, and in a path of the API. */
export const backupNameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a name is 1 to 63 lower-case letters, digits and hyphens');

/** A copy of the scheduler's database, as its file says. */
export const backupSchema = z.strictObject({
  name: backupNameSchema,
  createdAtMs: z.int(),
  /** Which life of the database it is of. */
  incarnation: z.uuid(),
  /** The newest migration of the database that it was made of. */
  schemaVersion: z.string().max(100),
  /** Rows by table. */
  counts: z.record(z.string().max(63), z.int().min(0)),
  sizeBytes: z.int().min(0),
});
export type Backup = z.infer<typeof backupSchema>;

/** Backups that a list shows, newest first; older files stay where they are. */
export const MAX_BACKUPS_LISTED = 200;
export const backupListSchema = z.strictObject({ items: z.array(backupSchema).max(MAX_BACKUPS_LISTED) });

/** What a restore came to: the database speaks as another life now, which no agent follows before it was settled. */
export const restoredSchema = z.strictObject({ backup: backupSchema, incarnation: z.uuid() });
export type Restored = z.infer<typeof restoredSchema>;

/** Names every leg that a volume may have, with its pool. */
export const MAX_SETTLING_TEXT = 4000;

/** What came about a volume after the database's copy was made. */
export const divergedVolumeSchema = z.strictObject({
  volumeId: volumeIdSchema,
  /** Null: the database does not know the volume. */
  name: z.string().nullable(),
  /** `created`, `changed` or `deleted` since. */
  since: z.enum(['created', 'changed', 'deleted']),
  /** Where it runs now; null: nowhere. */
  cardId: cardIdSchema.nullable(),
  /** Each thing that differs, by who shows it. */
  differences: z
    .array(z.strictObject({ where: z.string().max(80), id: z.string().max(64), what: z.string().max(500) }))
    .max(50),
  /** What adopting does, or why it cannot be done now. */
  adopt: z.strictObject({ can: z.boolean(), what: z.string().max(MAX_SETTLING_TEXT) }),
  /** The same of deleting. */
  delete: z.strictObject({ can: z.boolean(), what: z.string().max(MAX_SETTLING_TEXT) }),
});
export type DivergedVolume = z.infer<typeof divergedVolumeSchema>;

/** An agent that follows another life of the database, or that could not be asked. */
export const divergedAgentSchema = z.strictObject({
  role: z.enum(['card', 'pool']),
  id: cardIdSchema,
  /** Why it was not compared; null: it was. */
  failure: z.string().max(500).nullable(),
  /** Volumes that have to be settled before it can follow this life. */
  differences: z.int().min(0),
});
export type DivergedAgent = z.infer<typeof divergedAgentSchema>;

/** All differences between the database and what agents that follow another life of it run. */
export const divergenceSchema = z.strictObject({
  v: z.literal(1),
  incarnation: z.uuid(),
  /** How many of the cards and pools that the scheduler knows follow this life. */
  following: z.int().min(0),
  /** Those that have not said yet which life they follow, as for a moment after they have registered. */
  unheard: z.array(z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema })).max(1000),
  agents: z.array(divergedAgentSchema).max(1000),
  /** The first 200, or as many as fit a message; `volumeCount` says how many there are. */
  volumes: z.array(divergedVolumeSchema).max(200),
  volumeCount: z.int().min(0),
});
export type Divergence = z.infer<typeof divergenceSchema>;

/** What was settled, and which agents follow this life of the database from here on. */
export const settledSchema = z.strictObject({
  settled: z
    .array(
      z.strictObject({
        volumeId: volumeIdSchema,
        changeId: changeIdSchema,
        how: z.enum(['adopted', 'forgotten', 'deleted']),
      }),
    )
    .max(1000),
  /** Of an agent's volumes, those that could not be settled, and why. */
  refused: z.array(z.strictObject({ volumeId: volumeIdSchema, why: z.string().max(MAX_SETTLING_TEXT) })).max(1000),
  following: z.array(z.strictObject({ role: z.enum(['card', 'pool']), id: cardIdSchema })).max(1000),
});
export type Settled = z.infer<typeof settledSchema>;
