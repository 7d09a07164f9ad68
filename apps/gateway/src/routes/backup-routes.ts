import {
  backupListSchema,
  backupNameSchema,
  backupSchema,
  cardIdSchema,
  divergenceSchema,
  restoredSchema,
  settledSchema,
  tenantIdSchema,
  volumeIdSchema,
  volumeNameSchema,
} from '@flexbso/contracts';
import { z } from 'zod';
import { backupExample, divergenceExample, restoredExample, settledExample } from '../openapi/examples.js';
import { noBody, none } from './fields.js';
import { defineRoute, json } from './route.js';

const repeating = ['forbidden', 'idempotency-key-required', 'idempotency-key-reused'] as const;
const headers = { 'idempotency-key': 'required' } as const;
const forAdmins = 'The database is of all tenants: this takes the role admin and a token of no tenant.';

/** Copies of the scheduler's database, and what comes of going back to one. */
export const backupRoutes = {
  createBackup: defineRoute({
    operationId: 'createBackup',
    method: 'POST',
    path: '/v1/backups',
    tag: 'backups',
    summary: "Copies the scheduler's database into a file on its machine",
    description: `${forAdmins} One snapshot of all tables, the same for SQLite and PostgreSQL. Volume keys are in it as they are
in the database: wrapped under the key file, which is not in it.`,
    access: 'write',
    params: none,
    query: none,
    body: z.strictObject({ name: backupNameSchema.optional().describe('Named after the instant without it.') }),
    bodyExample: { name: 'before-upgrade' },
    headers,
    replies: { 201: json('The backup', backupSchema, backupExample) },
    problems: ['name-taken', ...repeating],
  }),
  listBackups: defineRoute({
    operationId: 'listBackups',
    method: 'GET',
    path: '/v1/backups',
    tag: 'backups',
    summary: 'The backups on the active scheduler, newest first',
    description: forAdmins,
    access: 'read',
    params: none,
    query: none,
    body: noBody,
    replies: { 200: json('The backups', backupListSchema, { items: [backupExample] }) },
    problems: ['forbidden'],
  }),
  restoreBackup: defineRoute({
    operationId: 'restoreBackup',
    method: 'POST',
    path: '/v1/backups/{name}/restore',
    tag: 'backups',
    summary: "Puts a backup in the place of the scheduler's database",
    description: `${forAdmins} Nothing that runs changes: the database speaks as another life from here on, which no card and no
pool follows until its differences are settled (\`/v1/differences\`).`,
    access: 'write',
    params: z.strictObject({ name: backupNameSchema }),
    query: none,
    body: noBody,
    headers,
    replies: { 200: json('What was restored, and as which life', restoredSchema, restoredExample) },
    problems: ['not-found', 'backup-unusable', ...repeating],
  }),
  listDifferences: defineRoute({
    operationId: 'listDifferences',
    method: 'GET',
    path: '/v1/differences',
    tag: 'differences',
    summary: 'What cards and pools that follow another life of the database have, and the database does not know so',
    description: `${forAdmins} Asks every agent, so it takes as long as the slowest. Each volume says what adopting and deleting it
would do, or why it cannot be done: this is their dry run.`,
    access: 'read',
    params: none,
    query: none,
    body: noBody,
    replies: { 200: json('Agents and volumes that differ', divergenceSchema, divergenceExample) },
    problems: ['forbidden'],
  }),
  adoptDifference: defineRoute({
    operationId: 'adoptDifference',
    method: 'POST',
    path: '/v1/differences/{id}/adopt',
    tag: 'differences',
    summary: "Has the database take over what runs: of a volume, or of all of an agent's",
    description: `${forAdmins} What was deleted since the backup is let go. Agents of which nothing is left to be settled follow this
database from then on. \`name\` and \`tenantId\` are for a volume that the database does not know.`,
    access: 'write',
    params: z.strictObject({ id: cardIdSchema.describe("A volume's id, or a card's or pool's.") }),
    query: none,
    body: z.strictObject({ name: volumeNameSchema.optional(), tenantId: tenantIdSchema.optional() }),
    bodyExample: { name: 'db', tenantId: 'default' },
    headers,
    replies: { 200: json('What was settled, and who follows', settledSchema, settledExample) },
    problems: ['not-found', 'diverged', 'name-taken', ...repeating],
  }),
  deleteDifference: defineRoute({
    operationId: 'deleteDifference',
    method: 'POST',
    path: '/v1/differences/{id}/delete',
    tag: 'differences',
    summary: 'Ends a volume that runs and that the database does not know, and everything on its legs',
    description: `${forAdmins} Its card and pools do it once they follow this database; the change tells how far it is.`,
    access: 'write',
    params: z.strictObject({ id: volumeIdSchema }),
    query: none,
    body: noBody,
    headers,
    replies: { 200: json('What was settled, and who follows', settledSchema, settledExample) },
    problems: ['not-found', 'diverged', 'change-refused', ...repeating],
  }),
};
