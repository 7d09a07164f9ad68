import { readFileSync } from 'node:fs';
import { ProblemError, problemOfParse } from '@flexbso/contracts';
import type { z } from 'zod';

/** What a problem's detail may hold; its `errors` name further fields. */
const MAX_DETAIL_CHARACTERS = 4000;

/**
 * Reads a program's configuration, one JSON file, once at its start. Unknown keys are refused where the schema is
 * strict, so that a misspelt one is not silently a default.
 *
 * @returns what the schema makes of the file, frozen through and through
 * @throws ProblemError naming the file: `not-found` when it cannot be read, `malformed-json`, or `invalid-request`
 *   naming every offending field. None of them repeats a value: a configuration may hold a database's password.
 */
export function readConfiguration<Schema extends z.ZodType>(path: string, schema: Schema): Readonly<z.output<Schema>> {
  const parsed = schema.safeParse(jsonOf(path));
  if (!parsed.success) throw new ProblemError(refusalOf(path, parsed.error));
  return frozen(parsed.data);
}

function jsonOf(path: string): unknown {
  const text = textOf(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProblemError({ code: 'malformed-json', detail: `${path} is not JSON${placeIn(error)}` });
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ProblemError({ code: 'not-found', detail: `${path} cannot be read: ${reason}` }, { cause });
  }
}

/** The place only, and only where the engine names it: its messages quote the text around, and that may be a secret. */
function placeIn(error: unknown): string {
  const place = error instanceof Error ? /\(line (\d+) column (\d+)\)/.exec(error.message) : null;
  return place === null ? '' : `: look at line ${place[1]}, column ${place[2]}`;
}

function refusalOf(path: string, error: z.ZodError) {
  const problem = problemOfParse(path, error);
  const fields = problem.errors?.map((field) =>
    field.path === '' ? field.message : `${field.path}: ${field.message}`,
  );
  return fields === undefined
    ? problem
    : { ...problem, detail: `${path}: ${fields.join('; ')}`.slice(0, MAX_DETAIL_CHARACTERS) };
}

/** Whoever holds a part of a configuration cannot change it for the others. */
function frozen<T>(value: T): Readonly<T> {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
