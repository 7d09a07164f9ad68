import {
  cardSnapshotSchema,
  changeSchema,
  eventSchema,
  planSchema,
  poolSnapshotSchema,
  traceSchema,
  volumePatchSchema,
  volumeSchema,
  volumeSpaceSchema,
  volumeSpecSchema,
} from '@flexbso/contracts';
import { z } from 'zod';
import { problemDocumentSchema } from '../routes/fields.js';

/** A JSON value of the document. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** Schemas with a name of their own in the document; the others are written where they are used. */
const names = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries({
  Card: cardSnapshotSchema,
  Pool: poolSnapshotSchema,
  Volume: volumeSchema,
  VolumeSpace: volumeSpaceSchema,
  VolumeSpec: volumeSpecSchema,
  VolumePatch: volumePatchSchema,
  Change: changeSchema,
  Plan: planSchema,
  Event: eventSchema,
  Trace: traceSchema,
  Problem: problemDocumentSchema,
})) {
  names.add(schema, { id });
}

/**
 * Collects schemas of a document, as OpenAPI 3.0 writes them. `input` is what a client may send (a field with a
 * default may be left out), `output` what it gets.
 */
export class SchemaCollection {
  readonly #components = new Map<string, Json>();

  /** The schema, with a reference to each that has a name. */
  of(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
    // Within an object, since a schema at the root would be written out instead of referred to.
    const whole = objectOf(
      jsonOf(z.toJSONSchema(z.strictObject({ it: schema }), { target: 'openapi-3.0', io, metadata: names })),
    );
    for (const [name, found] of Object.entries(objectOf(whole['definitions'] ?? {}))) {
      this.#components.set(componentName(name, io), renamed(found, io));
    }
    return objectOf(renamed(objectOf(whole['properties'] ?? {})['it'] ?? {}, io));
  }

  /** Of an object schema: each field's own, for parameters. */
  fieldsOf(schema: z.ZodType): { name: string; required: boolean; schema: JsonObject }[] {
    const { properties = {}, required = [] } = this.of(schema, 'input');
    return Object.entries(objectOf(properties)).map(([name, field]) => ({
      name,
      required: Array.isArray(required) && required.includes(name),
      schema: objectOf(field),
    }));
  }

  get components(): JsonObject {
    return Object.fromEntries([...this.#components].toSorted(([a], [b]) => a.localeCompare(b)));
  }
}

/** What zod extracted by itself (recursive shapes) has a number only; only those of contracts have a name. */
function componentName(name: string, io: 'input' | 'output'): string {
  return name.startsWith('__') ? `${io === 'input' ? 'Sent' : 'Json'}${name.replace(/^__schema/, '')}` : name;
}

const reference = /^#\/definitions\/(.+)$/;

function renamed(value: Json, io: 'input' | 'output'): Json {
  if (isList(value)) return value.map((item) => renamed(item, io));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      // An id of JSON Schema, which OpenAPI 3.0 does not know.
      .filter(([key, held]) => !((key === 'id' || key === '$schema') && typeof held === 'string'))
      .map(([key, held]) => {
        const name = key === '$ref' && typeof held === 'string' ? reference.exec(held)?.[1] : undefined;
        if (name !== undefined) return [key, `#/components/schemas/${componentName(name, io)}`];
        return [key, renamed(held, io)];
      }),
  );
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

const jsonSchema: z.ZodType<Json> = z.json();
/** A copy that holds JSON only: what zod returns has a prototype and hidden fields. */
export function jsonOf(value: unknown): Json {
  return jsonSchema.parse(JSON.parse(JSON.stringify(value)));
}

function objectOf(value: Json): JsonObject {
  if (typeof value === 'object' && value !== null && !isList(value)) return value;
  throw new TypeError('a schema is an object');
}
