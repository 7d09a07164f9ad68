import { planSchema, rollbackRequestSchema, snapshotSchema, snapshotSpecSchema } from '@flexbso/contracts';
import { z } from 'zod';
import { pageExample, planExample, snapshotExample } from '../openapi/examples.js';
import { dryRunQuery, noBody, none, pageOf, pageQuery } from './fields.js';
import { defineRoute, json } from './route.js';
import { accepted, repeating, updating, volume, writing } from './volume-routes.js';

const one = volume.extend({ snapshot: z.string().min(1).max(63).describe("The snapshot's id or its name.") });
const dryRun = z.strictObject(dryRunQuery);
const planned = json('With `dryRun`: the plan; nothing was changed', planSchema, planExample);
const page = { 200: json('A page of snapshots', pageOf(snapshotSchema), pageExample(snapshotExample)) };
const headers = { 'idempotency-key': 'required', 'if-match': 'required', 'plan-digest': 'optional' } as const;

export const snapshotRoutes = {
  listSnapshots: defineRoute({
    operationId: 'listSnapshots',
    method: 'GET',
    path: '/v1/snapshots',
    tag: 'snapshots',
    summary: 'The snapshots of all volumes',
    description: 'A page holds all snapshots of each of its volumes, of which `pageSize` counts.',
    access: 'read',
    params: none,
    query: z.strictObject(pageQuery),
    body: noBody,
    replies: page,
    problems: [],
  }),
  listVolumeSnapshots: defineRoute({
    operationId: 'listVolumeSnapshots',
    method: 'GET',
    path: '/v1/volumes/{volume}/snapshots',
    tag: 'snapshots',
    summary: 'The snapshots of a volume, the oldest first; all of them in one page',
    access: 'read',
    params: volume,
    query: none,
    body: noBody,
    replies: page,
    problems: ['not-found'],
  }),
  getSnapshot: defineRoute({
    operationId: 'getSnapshot',
    method: 'GET',
    path: '/v1/volumes/{volume}/snapshots/{snapshot}',
    tag: 'snapshots',
    summary: 'One snapshot',
    access: 'read',
    params: one,
    query: none,
    body: noBody,
    replies: { 200: json('The snapshot', snapshotSchema, snapshotExample) },
    problems: ['not-found'],
  }),
  createSnapshot: defineRoute({
    operationId: 'createSnapshot',
    method: 'POST',
    path: '/v1/volumes/{volume}/snapshots',
    tag: 'snapshots',
    summary: 'Freezes what a volume holds; from its cut-over on the volume writes elsewhere',
    description: `${writing}\n\nThe snapshot is listed at once as \`making\`, and \`ready\` once the change is applied.`,
    access: 'write',
    params: volume,
    query: dryRun,
    body: snapshotSpecSchema,
    bodyExample: { name: 'before-upgrade' },
    headers,
    replies: { 202: accepted, 200: planned },
    problems: [
      ...updating,
      'name-taken',
      'missing-capability',
      'no-placement',
      'pool-full',
      'change-refused',
      ...repeating,
    ],
  }),
  rollbackVolume: defineRoute({
    operationId: 'rollbackVolume',
    method: 'POST',
    path: '/v1/volumes/{volume}/rollback',
    tag: 'snapshots',
    summary: 'Has a detached volume hold what a snapshot holds',
    description: `${writing}\n\nThe volume has the snapshot's size and layers from then on, and goes on from there when it is attached.
What it held before is destroyed, but for what its snapshots hold: the plan names each leg and key. The snapshot stays.
Refused with \`change-refused\` while the volume is attached.`,
    access: 'write',
    params: volume,
    query: dryRun,
    body: rollbackRequestSchema,
    bodyExample: { snapshot: 'before-upgrade' },
    headers,
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'missing-capability', 'no-placement', 'pool-full', 'change-refused', ...repeating],
  }),
  deleteSnapshot: defineRoute({
    operationId: 'deleteSnapshot',
    method: 'DELETE',
    path: '/v1/volumes/{volume}/snapshots/{snapshot}',
    tag: 'snapshots',
    summary: 'Asks for the end of a snapshot',
    description: `${writing}\n\nThe newest, on which the volume runs, is ended by writing what came after back into it. Any other goes as a
thing; its legs stay for as long as the volume or another snapshot reads through them. A deletion that is turned back leaves
the snapshot \`deleting\`: what it held may be written over already, so it is good for nothing but to be deleted again.`,
    access: 'write',
    params: one,
    query: dryRun,
    body: noBody,
    headers,
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'missing-capability', 'change-refused', ...repeating],
  }),
};
