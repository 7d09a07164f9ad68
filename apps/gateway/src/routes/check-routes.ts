import { checkReportSchema } from '@flexbso/contracts';
import { checkExample } from '../openapi/examples.js';
import { noBody, none } from './fields.js';
import { defineRoute, json } from './route.js';

export const checkRoutes = {
  getCheck: defineRoute({
    operationId: 'getCheck',
    method: 'GET',
    path: '/v1/check',
    tag: 'check',
    summary: 'Compares the database with what every card and pool observes; changes nothing',
    description: `Asks every agent that is known, so it takes as long as the slowest. \`differences\` is empty where all is as
recorded. Volumes with a change under way are counted and not judged. Needs a token of no tenant.`,
    access: 'read',
    params: none,
    query: none,
    body: noBody,
    replies: { 200: json('What was compared, and what differs', checkReportSchema, checkExample) },
    problems: ['forbidden'],
  }),
};
