import { z } from 'zod';
import { noBody, none } from './fields.js';
import { defineRoute, json } from './route.js';

const readinessSchema = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()).optional() });
const common = { method: 'GET', tag: 'gateway', params: none, query: none, body: noBody, problems: [] } as const;

/** What the gateway says of itself. */
export const ownRoutes = {
  getOpenApi: defineRoute({
    ...common,
    operationId: 'getOpenApi',
    path: '/v1/openapi.json',
    summary: 'This document',
    access: 'open',
    replies: { 200: json('An OpenAPI 3.0 document', z.looseObject({ openapi: z.string() }), { openapi: '3.0.3' }) },
  }),
  getHealth: defineRoute({
    ...common,
    operationId: 'getHealth',
    path: '/healthz',
    summary: 'Whether the process turns',
    access: 'open',
    replies: { 200: json('It does', z.strictObject({ healthy: z.literal(true) }), { healthy: true }) },
  }),
  getReadiness: defineRoute({
    ...common,
    operationId: 'getReadiness',
    path: '/readyz',
    summary: 'Whether the gateway can reach the bus, and so anybody',
    access: 'open',
    replies: {
      200: json('Ready', readinessSchema, { ready: true }),
      503: json('Not ready', readinessSchema, { ready: false, reasons: ['not connected to the bus'] }),
    },
  }),
  getMetrics: defineRoute({
    ...common,
    operationId: 'getMetrics',
    path: '/metrics',
    summary: "The gateway's metrics",
    access: 'read',
    replies: {
      200: {
        description: "Prometheus's text format",
        type: 'text/plain',
        schema: z.string(),
        example: 'process_resident_memory_bytes 90000000\n',
      },
    },
  }),
};
