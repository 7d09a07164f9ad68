import { z } from 'zod';

type Schema = z.core.$ZodType;

/** A whole value in which one field is another, and which: `stacks[].legs[].epoch`. */
export interface Difference {
  readonly path: string;
  readonly value: unknown;
}

/**
 * Each field of a value changed by itself: another value, one more, one less, there or not. The fields are those of the
 * schema, so that a new one is among them. @throws Error on a kind of field that it does not know how to change
 */
export function singleDifferences(schema: Schema, value: unknown, path = ''): Difference[] {
  if (schema instanceof z.ZodObject) return ofObject(schema, value, path);
  if (schema instanceof z.ZodArray) return ofArray(schema, value, path);
  if (schema instanceof z.ZodUnion) return ofUnion(schema, value, path);
  if (schema instanceof z.ZodNullable) return ofMissing(schema.def.innerType, value, null, path);
  if (schema instanceof z.ZodOptional) return ofMissing(schema.def.innerType, value, undefined, path);
  if (schema instanceof z.ZodDefault) return singleDifferences(schema.def.innerType, value, path);
  return othersOf(schema, value).map((other) => ({ path, value: other }));
}

function ofObject(schema: z.ZodObject, value: unknown, path: string): Difference[] {
  const record = recordOf(value);
  return Object.entries(schema.shape).flatMap(([key, field]) =>
    singleDifferences(field, record[key], path === '' ? key : `${path}.${key}`).map((difference) => ({
      path: difference.path,
      value: { ...record, [key]: difference.value },
    })),
  );
}

function ofArray(schema: z.ZodArray, value: unknown, path: string): Difference[] {
  const list = listOf(value);
  const { element } = schema.def;
  const one = list.flatMap((item, index) => [
    { path, value: list.toSpliced(index, 1) },
    ...singleDifferences(element, item, `${path}[]`).map((difference) => ({
      path: difference.path,
      value: list.with(index, difference.value),
    })),
  ]);
  return [...one, ...samplesOf(element).map((sample) => ({ path, value: [...list, sample] }))];
}

function ofUnion(schema: z.ZodUnion, value: unknown, path: string): Difference[] {
  return schema.options.flatMap((option) =>
    z.safeParse(option, value).success
      ? singleDifferences(option, value, path)
      : samplesOf(option).map((sample) => ({ path, value: sample })),
  );
}

function ofMissing(inner: Schema, value: unknown, missing: null | undefined, path: string): Difference[] {
  if (value === missing) return samplesOf(inner).map((sample) => ({ path, value: sample }));
  return [{ path, value: missing }, ...singleDifferences(inner, value, path)];
}

/** Other values of a field that has no parts. */
function othersOf(schema: Schema, value: unknown): unknown[] {
  if (schema instanceof z.ZodLiteral) return [];
  if (schema instanceof z.ZodEnum) return schema.options.filter((option) => option !== value);
  if (schema instanceof z.ZodBoolean) return [value !== true];
  if (schema instanceof z.ZodNumber) return [Number(value) + 1, Number(value) - 1, Number(value) * 4];
  if (schema instanceof z.ZodString) return [`${String(value)}9`];
  throw new Error(`say how a field of type ${schema.constructor.name} is changed`);
}

/** Values that a field can have: each of its choices, with everything else as it is first. Numbers that nothing else has. */
export function samplesOf(schema: Schema): unknown[] {
  if (schema instanceof z.ZodObject) return samplesOfObject(schema);
  if (schema instanceof z.ZodArray) return [...samplesOf(schema.def.element).map((sample) => [sample]), []];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(samplesOf);
  if (schema instanceof z.ZodNullable) return [...samplesOf(schema.def.innerType), null];
  if (schema instanceof z.ZodOptional) return [...samplesOf(schema.def.innerType), undefined];
  if (schema instanceof z.ZodDefault) return samplesOf(schema.def.innerType);
  if (schema instanceof z.ZodLiteral) return [...schema.values];
  if (schema instanceof z.ZodNumber) return [9];
  if (schema instanceof z.ZodString) return ['sample-9'];
  return [...othersOf(schema, undefined)];
}

function samplesOfObject(schema: z.ZodObject): unknown[] {
  const samples = Object.entries(schema.shape).map(([key, field]) => ({ key, values: samplesOf(field) }));
  const first = Object.fromEntries(samples.map(({ key, values }) => [key, values[0]]));
  const others = samples.flatMap(({ key, values }) => values.slice(1).map((value) => ({ ...first, [key]: value })));
  return [first, ...others];
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('an object has fields');
  return Object.fromEntries(Object.entries(value));
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError('a list has items');
  return value;
}
