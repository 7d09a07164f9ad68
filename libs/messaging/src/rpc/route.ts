import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { z } from 'zod';

/** One pattern, the schema of its messages, and the handler that Nest made of the method. */
export interface Route<Context> {
  readonly pattern: string;
  readonly schema: z.ZodType;
  /** Runs guards, interceptors and the method; resolves to its last value. */
  readonly run: (payload: unknown, context: Context) => Promise<unknown>;
}

/** A handler without what the transport needs: a bug of the program, told at start. */
export class RouteError extends Error {
  override readonly name = 'RouteError';
  readonly code = 'bad_route';
}

/** Makes a route of what Nest registers; refuses a handler whose decorator brought no schema. */
export function routeOf<Context>(pattern: unknown, callback: MessageHandler, extras: unknown): Route<Context> {
  if (typeof pattern !== 'string') throw new RouteError(`the pattern ${JSON.stringify(pattern)} is not a subject`);
  const schema = schemaOf(extras);
  if (!schema) throw new RouteError(`${pattern} has no schema: use @Rpc, @FromAgents or @FromEvents`);
  return {
    pattern,
    schema,
    run: async (payload, context) => {
      const result: unknown = await callback(payload, context);
      return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
    },
  };
}

function schemaOf(extras: unknown): z.ZodType | null {
  if (typeof extras !== 'object' || extras === null || !('schema' in extras)) return null;
  return extras.schema instanceof z.ZodType ? extras.schema : null;
}

/** Whether a subject fits a pattern with NATS' wildcards: `*` is one token, `>` at the end one or more. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
