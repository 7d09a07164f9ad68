import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cardIdSchema } from '@flexbso/contracts';
import { z } from 'zod';
import { principalName, type Principal } from '../principal.js';
import type { BusUser } from '../server/server-config.js';
import { createIdentity, publicKeyOf } from './keys.js';
import { readSeedFile } from './seed-file.js';

/** An identity in a folder: the user of the server, and the file that its holder connects with. */
export interface StoredIdentity extends BusUser {
  readonly seedFile: string;
}

const principalSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('service'), name: z.enum(['inventory', 'scheduler', 'telemetry', 'gateway']) }),
  z.strictObject({ kind: z.literal('card'), id: cardIdSchema }),
  z.strictObject({ kind: z.literal('pool'), id: cardIdSchema }),
]);
const usersFileSchema = z.strictObject({
  v: z.literal(1),
  users: z.array(z.strictObject({ principal: principalSchema, publicKey: z.string() })),
});

/** Where a principal's seed lies in a folder of identities. */
export function seedFileOf(dir: string, principal: Principal): string {
  return join(dir, `${principalName(principal)}.seed`);
}

/**
 * Makes a folder of identities: `<name>.seed` with mode 0600 for each, and `users.json` with all public keys.
 * What is there is kept, also those not asked for now: a second run changes nothing.
 *
 * @returns the identities asked for, in that order
 */
export async function makeIdentities(dir: string, principals: readonly Principal[]): Promise<StoredIdentity[]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const made: StoredIdentity[] = [];
  for (const given of principals) made.push(await keptOrMade(dir, principalSchema.parse(given)));
  const users = new Map((await readUsers(dir)).map((user) => [principalName(user.principal), user]));
  for (const { principal, publicKey } of made) users.set(principalName(principal), { principal, publicKey });
  await writeUsers(dir, [...users.values()]);
  return made;
}

/** The users of a folder's `users.json`; none when there is no such file. */
export async function readUsers(dir: string): Promise<BusUser[]> {
  let text: string;
  try {
    text = await readFile(join(dir, 'users.json'), 'utf8');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return usersFileSchema.parse(JSON.parse(text)).users;
}

async function keptOrMade(dir: string, principal: Principal): Promise<StoredIdentity> {
  const seedFile = seedFileOf(dir, principal);
  try {
    const identity = createIdentity();
    await writeNew(seedFile, `${identity.seed}\n`);
    return { principal, publicKey: identity.publicKey, seedFile };
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    return { principal, publicKey: publicKeyOf(await readSeedFile(seedFile)), seedFile };
  }
}

async function writeUsers(dir: string, users: readonly BusUser[]): Promise<void> {
  const sorted = users.toSorted((a, b) => principalName(a.principal).localeCompare(principalName(b.principal)));
  const next = join(dir, 'users.json.next');
  await rm(next, { force: true });
  await writeNew(next, `${JSON.stringify({ v: 1, users: sorted }, null, 2)}\n`);
  await rename(next, join(dir, 'users.json'));
}

/** Never over an existing file, and never readable by others, not even for a moment. */
async function writeNew(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

const isMissing = (error: unknown) => isErrno(error, 'ENOENT');

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
