import { ProblemError } from '@flexbso/contracts';
import { z } from 'zod';
import type { Cursor } from '../store/store.js';

const cursorSchema = z.strictObject({ createdAtMs: z.int(), id: z.string().max(40) });

/** An opaque token: the last item that the page before showed, or looked at. */
export function tokenOf(cursor: Cursor): string {
  return Buffer.from(JSON.stringify({ createdAtMs: cursor.createdAtMs, id: cursor.id })).toString('base64url');
}

export function cursorOf(token: string | undefined): Cursor | null {
  if (token === undefined) return null;
  const parsed = cursorSchema.safeParse(jsonOrNull(Buffer.from(token, 'base64url').toString()));
  if (parsed.success) return parsed.data;
  throw new ProblemError({
    code: 'invalid-request',
    detail: 'pageToken is not one that an answer gave; begin again without it',
  });
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whatever it is, it is no token: the schema refuses null with the one message that helps.
    return null;
  }
}
