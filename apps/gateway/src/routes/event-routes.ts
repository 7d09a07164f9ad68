import { eventSchema } from '@flexbso/contracts';
import { z } from 'zod';
import { eventExample, pageExample } from '../openapi/examples.js';
import { noBody, none, pageOf, pageQuery, sinceQuery } from './fields.js';
import { defineRoute, json } from './route.js';

const filters = {
  kind: eventSchema.shape.kind.optional().describe('What the events are about.'),
  id: z
    .string()
    // It becomes a token of a subject: nothing that a subject gives a meaning.
    .regex(/^[a-z0-9-]{1,64}$/, 'an id is 1 to 64 lower-case letters, digits and hyphens')
    .optional()
    .describe('The card, pool, volume or change.'),
};

export const eventRoutes = {
  streamEvents: defineRoute({
    operationId: 'streamEvents',
    method: 'GET',
    path: '/v1/events',
    tag: 'events',
    summary: 'What happens, as server-sent events',
    description: `Each event's \`id\` is its place in the stream and its \`data\` one Event as JSON. Without \`Last-Event-ID\`
the stream begins now; with it, after that event. An event named \`gap\` tells that events were asked for which are no
longer kept: \`{"lastEventId", "firstKeptId"}\`. Comments keep the connection alive; a client that reads too slowly is
cut and resumes.`,
    access: 'read',
    params: none,
    query: z.strictObject(filters),
    body: noBody,
    headers: { 'last-event-id': 'optional' },
    replies: {
      200: {
        description: 'A stream without an end',
        type: 'text/event-stream',
        schema: z.string(),
        example: `id: 42\ndata: ${JSON.stringify(eventExample)}\n\n`,
      },
    },
    problems: ['too-many-requests'],
  }),
  listAudit: defineRoute({
    operationId: 'listAudit',
    method: 'GET',
    path: '/v1/audit',
    tag: 'events',
    summary: 'The audit trail: every event that is kept',
    access: 'read',
    params: none,
    query: z.strictObject({
      ...filters,
      sinceMs: sinceQuery.describe('Only events from this time on; milliseconds since 1970.'),
      ...pageQuery,
    }),
    body: noBody,
    replies: { 200: json('A page of events', pageOf(eventSchema), pageExample(eventExample)) },
    problems: [],
  }),
};
