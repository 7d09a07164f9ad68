import { problemCodes } from '@flexbso/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { allRoutes } from '../routes/table.js';
import { openApiDocument } from './document.js';

const document = openApiDocument();
const text = JSON.stringify(document);

/** Keywords that a schema of OpenAPI 3.0 may have (specification 3.0.3, "Schema Object"). */
const schemaKeywords = new Set(
  `title multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems
  uniqueItems maxProperties minProperties required enum type allOf oneOf anyOf not items properties
  additionalProperties description format default nullable discriminator readOnly writeOnly example deprecated $ref`.split(
    /\s+/,
  ),
);
const types: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array']);
const objectSchema = z.record(z.string(), z.unknown());
const isObject = (value: unknown): value is Record<string, unknown> => objectSchema.safeParse(value).success;

/** What is wrong with a schema, with where. */
function faultsOf(schema: unknown, where: string): string[] {
  if (!isObject(schema)) return typeof schema === 'boolean' ? [] : [`${where} is no schema`];
  const { properties, additionalProperties, items, type, ...rest } = schema;
  const faults = Object.keys(schema)
    .filter((keyword) => !schemaKeywords.has(keyword))
    .map((keyword) => `${where}: ${keyword}`);
  if (type !== undefined && !types.has(type)) faults.push(`${where}: type ${JSON.stringify(type)}`);
  if (type === 'array' && items === undefined) faults.push(`${where}: an array without items`);
  for (const limit of ['exclusiveMinimum', 'exclusiveMaximum'])
    if (typeof rest[limit] === 'number') faults.push(`${where}: ${limit} is a number, as only 3.1 has it`);
  const lists = ['allOf', 'oneOf', 'anyOf'].flatMap((name) => [rest[name] ?? []].flat());
  const nested = [
    ...Object.entries(isObject(properties) ? properties : {}),
    ...lists.map((one, at) => [`#${at}`, one] as const),
    ...(items === undefined ? [] : [['items', items] as const]),
    ...(additionalProperties === undefined ? [] : [['*', additionalProperties] as const]),
  ];
  return [...faults, ...nested.flatMap(([name, one]) => faultsOf(one, `${where}.${name}`))];
}

/** Every value under the name `schema`, and every component. */
function schemasIn(value: unknown, where = ''): [string, unknown][] {
  if (!isObject(value) && !Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, held]) => {
    const path = `${where}/${name}`;
    if (name === 'example' || name === 'value') return [];
    if (name === 'schema') return [[path, held] as [string, unknown]];
    if (path === '/components/schemas' && isObject(held)) return Object.entries(held);
    return schemasIn(held, path);
  });
}

describe('the OpenAPI document', () => {
  it('has the form of its version: 3.0', () => {
    const operation = z.object({
      operationId: z.string(),
      tags: z.array(z.string()).min(1),
      summary: z.string().min(1),
      parameters: z
        .array(z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']), required: z.boolean() }))
        .optional(),
      requestBody: z.object({ content: z.record(z.string(), z.object({ schema: z.unknown() })) }).optional(),
      responses: z.record(
        z.string().regex(/^[1-5]\d\d$/),
        z.object({ description: z.string().min(1), content: z.record(z.string(), z.unknown()) }),
      ),
    });
    const whole = z.object({
      openapi: z.literal('3.0.3'),
      info: z.object({ title: z.string(), version: z.string() }),
      paths: z.record(z.string().regex(/^\//), z.partialRecord(z.enum(['get', 'post', 'patch', 'delete']), operation)),
      components: z.object({ schemas: objectSchema, securitySchemes: objectSchema }),
    });
    expect(whole.safeParse(document).error).toBeUndefined();
  });

  it('has schemas with keywords of 3.0 only', () => {
    const found = schemasIn(document);
    expect(found.length).toBeGreaterThan(40);
    expect(found.flatMap(([where, schema]) => faultsOf(schema, where))).toEqual([]);
  });

  it('has no reference that leads nowhere, and no component that nobody refers to', () => {
    const { components } = z.object({ components: z.object({ schemas: objectSchema }) }).parse(document);
    const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, to = '']) => to));
    const names = Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...references].toSorted()).toEqual(names.toSorted());
  });

  it('declares each parameter of a path, and gives each operation a name of its own', () => {
    for (const route of allRoutes) {
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const shape = z.object({ shape: objectSchema }).parse(route.params).shape;
      expect(Object.keys(shape)).toEqual(inPath);
    }
    expect(new Set(allRoutes.map(({ operationId }) => operationId)).size).toBe(allRoutes.length);
  });

  it('has an example of each body and reply that fits its schema', () => {
    for (const { body, bodyExample, replies } of allRoutes) {
      expect(body.safeParse(bodyExample).error).toBeUndefined();
      for (const { schema, example } of Object.values(replies)) expect(schema.safeParse(example).error).toBeUndefined();
    }
  });

  it('tells of each route behind which a service answers that it may be too busy', () => {
    const operations = z.record(
      z.string(),
      z.record(z.string(), z.object({ tags: z.array(z.string()), responses: objectSchema })),
    );
    const { paths } = z.object({ paths: operations }).parse(document);
    const asking = Object.values(paths).flatMap((one) =>
      Object.values(one).filter(({ tags }) => !tags.includes('gateway')),
    );
    expect(asking.length).toBeGreaterThan(10);
    expect(asking.filter(({ responses }) => responses['429'] === undefined)).toEqual([]);
  });

  it('tells every problem that a request can be answered with', () => {
    // These are told within a change, never as the answer to a request.
    const withinChanges = ['cancelled', 'superseded', 'step-failed', 'data-plane-failed', 'fenced'];
    // These answer what no route has.
    const withoutRoute = ['method-not-allowed'];
    for (const code of problemCodes) {
      const told = text.includes(`urn:flexbso:problem:${code}"`) && text.includes(`\`${code}\``);
      expect({ code, told }).toEqual({ code, told: ![...withinChanges, ...withoutRoute].includes(code) });
    }
  });
});
