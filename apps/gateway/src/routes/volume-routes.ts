import {
  attachRequestSchema,
  changeIdSchema,
  changeSchema,
  failoverRequestSchema,
  planSchema,
  traceSchema,
  volumeIdSchema,
  volumePatchSchema,
  volumeSchema,
  volumeSpaceSchema,
  volumeSpecSchema,
} from '@flexbso/contracts';
import { z } from 'zod';
import {
  cancelledChangeExample,
  changeExample,
  pageExample,
  planExample,
  traceExample,
  volumeExample,
  volumePatchExample,
  volumeSpaceExample,
  volumeSpecExample,
} from '../openapi/examples.js';
import { dryRunQuery, labelsQuery, noBody, none, pageOf, pageQuery } from './fields.js';
import { defineRoute, json } from './route.js';

export const volume = z.strictObject({ volume: z.string().min(1).max(63).describe("The volume's id or its name.") });
const change = z.strictObject({ changeId: changeIdSchema });
const dryRun = z.strictObject(dryRunQuery);

/** What an accepted write answers. */
export const acceptedSchema = z.strictObject({ volume: volumeSchema, change: changeSchema });
export const accepted = {
  ...json('Accepted; the change says how far it is', acceptedSchema, { volume: volumeExample, change: changeExample }),
  headers: ['location', 'etag'] as const,
};
const planned = json('With `dryRun`: the plan; nothing was changed', planSchema, planExample);

export const writing = `Answers 202 as soon as the wish is committed; the change at \`Location\` tells when it is applied and settled.
With \`dryRun=true\` it answers the plan instead, and needs no Idempotency-Key. \`Plan-Digest\` binds the write to the
plan that a dry run showed: when another would be carried out, \`plan-changed\` is answered and nothing is done.`;

const placing = ['invalid-stack', 'missing-capability', 'no-placement', 'pool-full'] as const;
export const updating = [
  'not-found',
  'stale-generation',
  'generation-required',
  'change-in-flight',
  'diverged',
] as const;
export const writingHeaders = {
  'idempotency-key': 'required',
  'if-match': 'required',
  'plan-digest': 'optional',
} as const;
export const repeating = ['idempotency-key-required', 'idempotency-key-reused', 'plan-changed'] as const;

export const volumeRoutes = {
  listVolumes: defineRoute({
    operationId: 'listVolumes',
    method: 'GET',
    path: '/v1/volumes',
    tag: 'volumes',
    summary: 'The volumes, by id',
    access: 'read',
    params: none,
    query: z.strictObject({ ...labelsQuery, ...pageQuery }),
    body: noBody,
    replies: { 200: json('A page of volumes', pageOf(volumeSchema), pageExample(volumeExample)) },
    problems: [],
  }),
  createVolume: defineRoute({
    operationId: 'createVolume',
    method: 'POST',
    path: '/v1/volumes',
    tag: 'volumes',
    summary: 'Asks for a volume',
    description: writing,
    access: 'write',
    params: none,
    query: dryRun,
    body: volumeSpecSchema,
    bodyExample: volumeSpecExample,
    headers: { 'idempotency-key': 'required', 'plan-digest': 'optional' },
    replies: { 202: accepted, 200: planned },
    problems: ['name-taken', ...placing, ...repeating],
  }),
  getVolume: defineRoute({
    operationId: 'getVolume',
    method: 'GET',
    path: '/v1/volumes/{volume}',
    tag: 'volumes',
    summary: 'One volume; its ETag is the generation that an update names',
    access: 'read',
    params: volume,
    query: none,
    body: noBody,
    replies: { 200: { ...json('The volume', volumeSchema, volumeExample), headers: ['etag'] } },
    problems: ['not-found'],
  }),
  getVolumeSpace: defineRoute({
    operationId: 'getVolumeSpace',
    method: 'GET',
    path: '/v1/volumes/{volume}/space',
    tag: 'volumes',
    summary: 'What a volume takes of its pools, as they last measured it, and what compression saves',
    access: 'read',
    params: volume,
    query: none,
    body: noBody,
    replies: { 200: json('The space', volumeSpaceSchema, volumeSpaceExample) },
    problems: ['not-found'],
  }),
  changeVolume: defineRoute({
    operationId: 'changeVolume',
    method: 'PATCH',
    path: '/v1/volumes/{volume}',
    tag: 'volumes',
    summary: 'Asks for a change beneath the running guest; what the body leaves out stays',
    description: writing,
    access: 'write',
    params: volume,
    query: dryRun,
    body: volumePatchSchema,
    bodyExample: volumePatchExample,
    headers: { 'idempotency-key': 'required', 'if-match': 'required', 'plan-digest': 'optional' },
    replies: { 202: accepted, 200: planned },
    problems: [...updating, ...placing, 'change-refused', 'snapshots-keep-old-state', 'volume-detached', ...repeating],
  }),
  deleteVolume: defineRoute({
    operationId: 'deleteVolume',
    method: 'DELETE',
    path: '/v1/volumes/{volume}',
    tag: 'volumes',
    summary: 'Asks for the end of a volume and of everything on its legs',
    description: writing,
    access: 'write',
    params: volume,
    query: dryRun,
    body: noBody,
    headers: { 'idempotency-key': 'required', 'if-match': 'required', 'plan-digest': 'optional' },
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'change-refused', 'has-snapshots', ...repeating],
  }),
  failoverVolume: defineRoute({
    operationId: 'failoverVolume',
    method: 'POST',
    path: '/v1/volumes/{volume}/failover',
    tag: 'volumes',
    summary: 'Moves a volume off an unreachable card: every leg is fenced from it, then another card carries it',
    description: `${writing}\n\nThere is no way back once it is accepted. Refused with \`change-refused\` when the card answers, when a
leg is local to the card or when a pool that is to fence is away, and with \`no-placement\` when no other card can carry it.`,
    access: 'write',
    params: volume,
    query: dryRun,
    body: failoverRequestSchema,
    bodyExample: { cardId: 'card-2' },
    headers: { 'idempotency-key': 'required', 'if-match': 'required', 'plan-digest': 'optional' },
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'missing-capability', 'no-placement', 'change-refused', 'volume-detached', ...repeating],
  }),
  detachVolume: defineRoute({
    operationId: 'detachVolume',
    method: 'POST',
    path: '/v1/volumes/{volume}/detach',
    tag: 'volumes',
    summary: 'Takes a volume off its card; its legs, and what is on them, stay',
    description: `${writing}\n\nIts function is free once the card has reported that nothing of the volume is left there. A guest that
has the device open over virtio-blk is not cut off: the change waits until it lets go. Of a detached volume labels, limits
and \`alwaysRedundant\` can be changed; it can be attached and deleted.`,
    access: 'write',
    params: volume,
    query: dryRun,
    body: noBody,
    headers: writingHeaders,
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'change-refused', ...repeating],
  }),
  attachVolume: defineRoute({
    operationId: 'attachVolume',
    method: 'POST',
    path: '/v1/volumes/{volume}/attach',
    tag: 'volumes',
    summary: 'Shows a detached volume again, on its card or another; or an attached one on another function',
    description: `${writing}\n\nWithout \`cardId\` it is the card that it was last on; without \`functionId\` the function that it was on,
where that is free, else one is chosen. For another card every leg is fenced from the old one first; refused with
\`change-refused\` when a leg is local to the old card. An attached volume moves to \`functionId\` of its own card in one
change: the guest sees its device go and another come.`,
    access: 'write',
    params: volume,
    query: dryRun,
    body: attachRequestSchema,
    bodyExample: { cardId: 'card-2' },
    headers: writingHeaders,
    replies: { 202: accepted, 200: planned },
    problems: [...updating, 'missing-capability', 'no-placement', 'change-refused', ...repeating],
  }),
  listChanges: defineRoute({
    operationId: 'listChanges',
    method: 'GET',
    path: '/v1/changes',
    tag: 'changes',
    summary: 'The changes of all volumes, or of one',
    access: 'read',
    params: none,
    query: z.strictObject({ volumeId: volumeIdSchema.optional(), ...pageQuery }),
    body: noBody,
    replies: { 200: json('A page of changes', pageOf(changeSchema), pageExample(changeExample)) },
    problems: [],
  }),
  getChange: defineRoute({
    operationId: 'getChange',
    method: 'GET',
    path: '/v1/changes/{changeId}',
    tag: 'changes',
    summary: 'One change: its plan, the step it is in, what it waits for, how it ended',
    access: 'read',
    params: change,
    query: none,
    body: noBody,
    replies: { 200: json('The change', changeSchema, changeExample) },
    problems: ['not-found'],
  }),
  cancelChange: defineRoute({
    operationId: 'cancelChange',
    method: 'POST',
    path: '/v1/changes/{changeId}/cancel',
    tag: 'changes',
    summary: 'Asks that a change be taken back, as long as it has not cut over',
    description: `Answers 202 with the change. Its \`cancel.outcome\` tells what came of it: null until it is known, \`undone\` once
nothing of the change is left, \`cut-over-passed\` when its card had cut over meanwhile, and it was completed. A creation that
is cancelled leaves a volume in the state \`failed\`, to be deleted. A deletion, a failover and a growth in place are refused
with \`cut-over-passed\` once their card was told of them; a change that has ended with \`change-over\`. Cancelling what is
cancelled already changes nothing.`,
    access: 'write',
    params: change,
    query: none,
    body: noBody,
    headers: { 'idempotency-key': 'required' },
    replies: { 202: { ...json('The change', changeSchema, cancelledChangeExample), headers: ['location'] } },
    problems: [
      'not-found',
      'change-over',
      'cut-over-passed',
      'needs-operator',
      'diverged',
      'idempotency-key-required',
      'idempotency-key-reused',
    ],
  }),
  getChangeTrace: defineRoute({
    operationId: 'getChangeTrace',
    method: 'GET',
    path: '/v1/changes/{changeId}/trace',
    tag: 'changes',
    summary: 'All spans of a change, from the HTTP request to each call on the data plane',
    access: 'read',
    params: change,
    query: none,
    body: noBody,
    replies: { 200: json('The trace', traceSchema, traceExample) },
    problems: ['not-found'],
  }),
};
