import { open } from 'node:fs/promises';
import { callerSchema } from '@flexbso/contracts';
import { z } from 'zod';

/** A token as the file holds it: never the token itself, only its SHA-256 in hex. */
export const apiTokenSchema = z.strictObject({
  name: callerSchema.shape.name,
  tokenSha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits'),
  role: callerSchema.shape.role,
  tenantId: callerSchema.shape.tenantId,
  expiresAtMs: z.int().nullable(),
});
export type ApiToken = z.infer<typeof apiTokenSchema>;

/** Every request is compared with each token: ten thousand are a millisecond, and far above what one cell needs. */
const tokensSchema = z.array(apiTokenSchema).max(10_000);

/** The file cannot be used; the message never holds its content. */
export class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
  readonly code: 'token_file_unreadable' | 'token_file_too_open' | 'token_file_invalid';
  readonly path: string;

  constructor(code: TokenFileError['code'], path: string, what: string, options?: ErrorOptions) {
    super(`${path} ${what}`, options);
    this.code = code;
    this.path = path;
  }
}

/**
 * Reads the file of API tokens: a JSON list of `apiTokenSchema`.
 *
 * @throws TokenFileError when it is missing, is no such list, or anybody but the owner may read or write it
 */
export async function readTokenFile(path: string): Promise<ApiToken[]> {
  const { mode, text } = await readWhole(path);
  // The mode of the opened file, so that it cannot be exchanged between the look and the read.
  if ((mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(4, '0');
    throw new TokenFileError('token_file_too_open', path, `has mode ${found}: run 'chmod 0600' on it`);
  }
  const parsed = tokensSchema.safeParse(jsonOrNull(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined ? '' : `: ${issue.path.map(String).join('.')}: ${issue.message}`;
  throw new TokenFileError('token_file_invalid', path, `does not hold a list of tokens${where}`);
}

/** Null is no list either, so what is not JSON is refused with the rest; a parser's message would quote the content. */
function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function readWhole(path: string): Promise<{ mode: number; text: string }> {
  try {
    await using file = await open(path, 'r');
    const { mode } = await file.stat();
    return { mode, text: await file.readFile('utf8') };
  } catch (cause) {
    throw new TokenFileError('token_file_unreadable', path, 'cannot be read', { cause });
  }
}
