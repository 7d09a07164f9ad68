import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CommandError, exitCodes } from '../exit-codes.js';

/** Where the API is, and who asks. */
export interface ApiAddress {
  readonly server: string;
  readonly token: string;
}

const clientFileSchema = z.object({ server: z.url(), token: z.string().min(1) });
/** Written by `npm start`, found from any folder beneath. */
const clientFile = join('.flexbso', 'client.json');

/**
 * The address from options, then the environment, then `.flexbso/client.json` in this folder or one above.
 * @throws CommandError `usage` when there is none
 */
export function findAddress(
  options: { readonly server?: string; readonly token?: string },
  environment: NodeJS.ProcessEnv,
  folder: string,
): ApiAddress {
  // A variable that is set to nothing is how some shells unset one.
  const server = options.server ?? (environment['FLEXBSO_SERVER'] || undefined);
  const token = options.token ?? (environment['FLEXBSO_TOKEN'] || undefined);
  if (server !== undefined && token !== undefined) return { server: checkedServer(server), token };
  const found = readUpward(folder);
  // A token is for one server: that of a file is never sent to another.
  if (found !== null && (server === undefined || sameServer(server, found.server))) {
    return { server: checkedServer(server ?? found.server), token: token ?? found.token };
  }
  const missing = server === undefined ? 'no server' : 'no token';
  throw new CommandError(
    exitCodes.usage,
    `${missing}: start a system with 'npm start', or give --server and --token, or FLEXBSO_SERVER and FLEXBSO_TOKEN`,
  );
}

function readUpward(folder: string): ApiAddress | null {
  const path = join(folder, clientFile);
  const text = textOrNull(path);
  if (text === null) return dirname(folder) === folder ? null : readUpward(dirname(folder));
  const parsed = clientFileSchema.safeParse(jsonOrNull(text));
  if (parsed.success) return parsed.data;
  throw new CommandError(exitCodes.usage, `${path} does not hold {"server", "token"}`);
}

function textOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw new CommandError(exitCodes.usage, `${path} cannot be read: ${String(error)}`, { cause: error });
  }
}

/** Null fits no schema, so what is not JSON is told like what has the wrong fields. */
function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const sameServer = (a: string, b: string) => URL.canParse(a) && new URL(a).origin === new URL(b).origin;

function checkedServer(server: string): string {
  const protocol = URL.canParse(server) ? new URL(server).protocol : '';
  if (protocol === 'http:' || protocol === 'https:') return new URL(server).origin;
  throw new CommandError(exitCodes.usage, `"${server}" is not a server's address: it is like http://127.0.0.1:8080`);
}
