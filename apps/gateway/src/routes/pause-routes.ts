import { cardIdSchema, pauseListSchema } from '@flexbso/contracts';
import { z } from 'zod';
import { pausesExample } from '../openapi/examples.js';
import { noBody, none } from './fields.js';
import { defineRoute, json } from './route.js';

const card = z.strictObject({ cardId: cardIdSchema });
const paused = { 200: json('All that is paused now', pauseListSchema, pausesExample) };

const pausing = `While it is paused no further step of a change that a person asked for begins: new changes are accepted and wait, and
say so. A step under way is brought to its end, and so is a change whose cut-over is intended; nothing is deleted. What a
card does by itself to serve its guests goes on, and so do failovers and cancels. Repeating it keeps who paused it first
and since when, so it needs no Idempotency-Key. It holds changes of all tenants: this takes an operator's or admin's token
of no tenant.`;
const resuming = `What waited goes on where it was. A card stays paused while the fleet is, and the other way round. Repeating it changes
nothing, so it needs no Idempotency-Key.`;

/** Holding the changes of a card, or of all. */
export const pauseRoutes = {
  pauseCard: defineRoute({
    operationId: 'pauseCard',
    method: 'POST',
    path: '/v1/cards/{cardId}/pause',
    tag: 'pauses',
    summary: "Holds the changes of the card's volumes",
    description: pausing,
    access: 'write',
    params: card,
    query: none,
    body: noBody,
    replies: paused,
    problems: ['not-found', 'forbidden', 'too-many-requests'],
  }),
  resumeCard: defineRoute({
    operationId: 'resumeCard',
    method: 'POST',
    path: '/v1/cards/{cardId}/resume',
    tag: 'pauses',
    summary: "Lets the changes of the card's volumes go on",
    description: resuming,
    access: 'write',
    params: card,
    query: none,
    body: noBody,
    replies: paused,
    problems: ['forbidden'],
  }),
  pauseFleet: defineRoute({
    operationId: 'pauseFleet',
    method: 'POST',
    path: '/v1/pause',
    tag: 'pauses',
    summary: 'Holds all changes',
    description: pausing,
    access: 'write',
    params: none,
    query: none,
    body: noBody,
    replies: paused,
    problems: ['forbidden'],
  }),
  resumeFleet: defineRoute({
    operationId: 'resumeFleet',
    method: 'POST',
    path: '/v1/resume',
    tag: 'pauses',
    summary: 'Lets all changes go on, but those of cards that are paused themselves',
    description: resuming,
    access: 'write',
    params: none,
    query: none,
    body: noBody,
    replies: paused,
    problems: ['forbidden'],
  }),
  listPauses: defineRoute({
    operationId: 'listPauses',
    method: 'GET',
    path: '/v1/pauses',
    tag: 'pauses',
    summary: 'What is paused, by whom and since when',
    access: 'read',
    params: none,
    query: none,
    body: noBody,
    replies: paused,
    problems: [],
  }),
};
