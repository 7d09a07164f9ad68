import { DEFAULT_PAGE_SIZE, labelsSchema, MAX_PAGE_SIZE, problemCodes } from '@flexbso/contracts';
import { z } from 'zod';

/** Shapes of a query and of replies that more than one route has. */

/** A query's value is text; what is no number is left for the schema to refuse. */
const numberOf = (text: unknown) => (typeof text === 'string' && /^-?\d{1,15}$/.test(text) ? Number(text) : text);
/** `?dryRun` alone says it too. */
const flagOf = (text: unknown) => (text === 'true' || text === '' ? true : text === 'false' ? false : text);

export const none = z.strictObject({});
/** A route without a body takes none; an empty object is what some clients send instead. */
export const noBody = none.optional();

export const pageQuery = {
  pageSize: z
    .preprocess(numberOf, z.int().min(1).max(MAX_PAGE_SIZE))
    .optional()
    .describe(`Items at most; ${DEFAULT_PAGE_SIZE} without it.`),
  pageToken: z.string().min(1).max(200).optional().describe('`nextPageToken` of the page before.'),
};

export const labelsQuery = {
  labels: z
    .string()
    .max(4_000)
    .transform((text, context): Record<string, string> => {
      const pairs = text.split(',').map((pair) => pair.split('='));
      const wrong = pairs.find((pair) => pair.length !== 2 || pair[0] === '');
      if (wrong === undefined) return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value]));
      context.addIssue({ code: 'custom', message: `labels are key=value,key=value; not "${wrong.join('=')}"` });
      return z.NEVER;
    })
    .pipe(labelsSchema)
    .optional()
    .describe('`key=value,key=value`: every one must match.'),
};

export const dryRunQuery = {
  dryRun: z
    .preprocess(flagOf, z.boolean('dryRun is true or false; without a value it is true'))
    .optional()
    .describe('`true`: answers the plan and changes nothing.'),
};

export const sinceQuery = z.preprocess(numberOf, z.int().min(0)).optional();

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item), nextPageToken: z.string().nullable() });

/** An error as the API answers it (RFC 9457), `application/problem+json`. */
export const problemDocumentSchema = z.strictObject({
  type: z.enum(problemCodes.map((code) => `urn:flexbso:problem:${code}`)),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What, where, which limit, what to do.'),
  instance: z.string().optional().describe('The path that was asked for.'),
  errors: z
    .array(z.strictObject({ path: z.string(), message: z.string() }))
    .optional()
    .describe('Each field that does not fit.'),
  facts: z.record(z.string(), z.json()).optional().describe('Facts for a program: the limit, the generation, ...'),
  traceId: z.string().describe('The trace of this request, for whoever looks into it.'),
});
export type ProblemDocument = z.infer<typeof problemDocumentSchema>;
