import { z } from 'zod';
import {
  backupListSchema,
  backupNameSchema,
  backupSchema,
  divergenceSchema,
  restoredSchema,
  settledSchema,
} from './backup.js';
import { changeSchema } from './change.js';
import { checkReportSchema } from './check.js';
import { eventSchema } from './events.js';
import { cardIdSchema, changeIdSchema, legIdSchema, poolIdSchema, tenantIdSchema, volumeIdSchema } from './ids.js';
import { labelsSchema } from './labels.js';
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_QUARANTINE_REASON } from './limits.js';
import { legMeasurementSchema } from './measure.js';
import { pauseListSchema } from './pause.js';
import { digestSchema, planSchema } from './plan.js';
import { cardSnapshotSchema, poolSnapshotSchema } from './registration.js';
import { rollbackRequestSchema, snapshotSchema, snapshotSpecSchema } from './snapshot.js';
import { traceSchema } from './trace.js';
import {
  attachRequestSchema,
  failoverRequestSchema,
  volumeNameSchema,
  volumePatchSchema,
  volumeSchema,
  volumeSpecSchema,
} from './volume.js';

/** On whose behalf the gateway asks; the gateway alone sets it, from a verified token. */
export const callerSchema = z.strictObject({
  name: z.string().min(1).max(100),
  role: z.enum(['viewer', 'operator', 'admin']),
  tenantId: tenantIdSchema.nullable(),
});
export type Caller = z.infer<typeof callerSchema>;

const request = { v: z.literal(1), caller: callerSchema };
const page = {
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  pageToken: z.string().max(200).optional(),
};
const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), nextPageToken: z.string().nullable() });
const write = { idempotencyKey: z.string().min(1).max(128) };
/** Names a volume by id or by name. */
const volumeRef = z.string().min(1).max(63);

/** Names a snapshot of a volume by id or by name. */
const snapshotRef = z.string().min(1).max(63);

/** What is asked of a volume as the client saw it. */
const aboutVolume = { ...request, volume: volumeRef, basedOnGeneration: z.int().min(1) };
const accepted = z.strictObject({ volume: volumeSchema, change: changeSchema });

/** A write that begins a change, bound to the plan that was accepted, if one was; and its dry run. */
const changing = <More extends z.ZodRawShape>(more: More) => ({
  request: z.strictObject({ ...aboutVolume, ...write, ...more, planDigest: digestSchema.optional() }),
  reply: accepted,
});
const planning = <More extends z.ZodRawShape>(more: More) => ({
  request: z.strictObject({ ...aboutVolume, ...more }),
  reply: planSchema,
});

/** A list's selector: every label given must match. */
const selector = { labels: labelsSchema.optional() };

/** Request and reply of every verb, by service. The subject is `bso.rpc.<service>.<verb>`. */
export const rpc = {
  inventory: {
    'list-cards': { request: z.strictObject({ ...request, ...page, ...selector }), reply: pageOf(cardSnapshotSchema) },
    'get-card': { request: z.strictObject({ ...request, cardId: cardIdSchema }), reply: cardSnapshotSchema },
    'cordon-card': {
      request: z.strictObject({ ...request, cardId: cardIdSchema, cordoned: z.boolean() }),
      reply: cardSnapshotSchema,
    },
    'list-pools': { request: z.strictObject({ ...request, ...page, ...selector }), reply: pageOf(poolSnapshotSchema) },
    'get-pool': { request: z.strictObject({ ...request, poolId: poolIdSchema }), reply: poolSnapshotSchema },
    'cordon-pool': {
      request: z.strictObject({ ...request, poolId: poolIdSchema, cordoned: z.boolean() }),
      reply: poolSnapshotSchema,
    },
    /** Ends a quarantine; where the sealing key had changed, this is the consent to the new one. */
    'release-card': { request: z.strictObject({ ...request, cardId: cardIdSchema }), reply: cardSnapshotSchema },
    'release-pool': { request: z.strictObject({ ...request, poolId: poolIdSchema }), reply: poolSnapshotSchema },
    /** A service saw an agent do what no honest agent does. `quarantined` is false for one that never registered. */
    'quarantine-agent': {
      request: z.strictObject({
        v: z.literal(1),
        by: z.enum(['scheduler', 'telemetry']),
        role: z.enum(['card', 'pool']),
        id: cardIdSchema,
        reason: z.string().min(1).max(MAX_QUARANTINE_REASON),
      }),
      reply: z.strictObject({ quarantined: z.boolean() }),
    },
  },
  scheduler: {
    'create-volume': {
      request: z.strictObject({ ...request, ...write, spec: volumeSpecSchema, planDigest: digestSchema.optional() }),
      reply: accepted,
    },
    'change-volume': changing({ patch: volumePatchSchema }),
    'delete-volume': changing({}),
    /** Moves a volume off a card that is away, once every leg is fenced from it. */
    'failover-volume': changing(failoverRequestSchema.shape),
    /** Takes a volume off its card; its legs stay as they are. */
    'detach-volume': changing({}),
    /** Shows a detached volume again, on its card or another; or an attached one on another function. */
    'attach-volume': changing(attachRequestSchema.shape),
    /** Freezes what the volume holds; from then on it writes elsewhere. */
    'create-snapshot': changing({ spec: snapshotSpecSchema }),
    'delete-snapshot': changing({ snapshot: snapshotRef }),
    /** A detached volume holds what the snapshot holds; what it held is deleted, as far as no snapshot refers to it. */
    'rollback-volume': changing(rollbackRequestSchema.shape),
    'plan-create': { request: z.strictObject({ ...request, spec: volumeSpecSchema }), reply: planSchema },
    'plan-change': planning({ patch: volumePatchSchema }),
    'plan-delete': planning({}),
    'plan-failover': planning(failoverRequestSchema.shape),
    'plan-detach': planning({}),
    'plan-attach': planning(attachRequestSchema.shape),
    'plan-create-snapshot': planning({ spec: snapshotSpecSchema }),
    'plan-delete-snapshot': planning({ snapshot: snapshotRef }),
    'plan-rollback': planning(rollbackRequestSchema.shape),
    'get-snapshot': {
      request: z.strictObject({ ...request, volume: volumeRef, snapshot: snapshotRef }),
      reply: snapshotSchema,
    },
    /** Of one volume, or of all; oldest volumes first, and of each its oldest. */
    'list-snapshots': {
      request: z.strictObject({ ...request, ...page, volume: volumeRef.optional() }),
      reply: pageOf(snapshotSchema),
    },
    'get-volume': { request: z.strictObject({ ...request, volume: volumeRef }), reply: volumeSchema },
    'list-volumes': { request: z.strictObject({ ...request, ...page, ...selector }), reply: pageOf(volumeSchema) },
    'get-change': { request: z.strictObject({ ...request, changeId: changeIdSchema }), reply: changeSchema },
    'list-changes': {
      request: z.strictObject({ ...request, ...page, volumeId: volumeIdSchema.optional() }),
      reply: pageOf(changeSchema),
    },
    /** Asks that a change be taken back; the change's `cancel` says what came of it. */
    'cancel-change': {
      request: z.strictObject({ ...request, ...write, changeId: changeIdSchema }),
      reply: changeSchema,
    },
    /** Holds the changes of a card, or of the fleet (null). Repeating it keeps who paused it first, and since when. */
    pause: { request: z.strictObject({ ...request, cardId: cardIdSchema.nullable() }), reply: pauseListSchema },
    resume: { request: z.strictObject({ ...request, cardId: cardIdSchema.nullable() }), reply: pauseListSchema },
    'list-pauses': { request: z.strictObject(request), reply: pauseListSchema },
    check: { request: z.strictObject(request), reply: checkReportSchema },
    'create-backup': {
      /** Without a name it is named after the instant. */
      request: z.strictObject({ ...request, ...write, name: backupNameSchema.optional() }),
      reply: backupSchema,
    },
    'list-backups': { request: z.strictObject(request), reply: backupListSchema },
    'restore-backup': {
      request: z.strictObject({ ...request, ...write, name: backupNameSchema }),
      reply: restoredSchema,
    },
    'list-differences': { request: z.strictObject(request), reply: divergenceSchema },
    /** Of one volume, or of all of an agent's; `name` and `tenantId` for a volume that the database does not know. */
    adopt: {
      request: z.strictObject({
        ...request,
        ...write,
        id: cardIdSchema,
        name: volumeNameSchema.optional(),
        tenantId: tenantIdSchema.optional(),
      }),
      reply: settledSchema,
    },
    /** Ends a volume that runs and that the database does not know. */
    'delete-diverged': {
      request: z.strictObject({ ...request, ...write, id: volumeIdSchema }),
      reply: settledSchema,
    },
  },
  telemetry: {
    'list-events': {
      request: z.strictObject({
        ...request,
        ...page,
        kind: eventSchema.shape.kind.optional(),
        id: z.string().max(64).optional(),
        sinceMs: z.int().optional(),
      }),
      reply: pageOf(eventSchema),
    },
    /** What legs were last measured to take; those that nobody measured are left out. */
    'measured-legs': {
      request: z.strictObject({ ...request, legIds: z.array(legIdSchema).max(64) }),
      reply: z.strictObject({
        legs: z.array(legMeasurementSchema.extend({ poolId: poolIdSchema, atMs: z.int() })).max(64),
      }),
    },
    'get-trace': {
      request: z.strictObject({ ...request, traceId: z.string().regex(/^[0-9a-f]{32}$/) }),
      reply: traceSchema,
    },
  },
} as const;

export type Rpc = typeof rpc;
export type RpcService = keyof Rpc;
export type RpcVerb<S extends RpcService> = keyof Rpc[S] & string;
