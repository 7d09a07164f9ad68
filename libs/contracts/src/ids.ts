import { z } from 'zod';

/**
 * Ids are written into NATS subjects, node names of the data plane and file names, so they
 * hold only what is safe in all three: lower-case letters, digits and hyphens.
 * 40 characters leave room for prefixes and suffixes in each of them.
 */
const idPattern = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
const id = z
  .string()
  .regex(idPattern, 'an id is 1 to 40 lower-case letters, digits and hyphens, no hyphen at the ends');

export const cardIdSchema = id;
export const poolIdSchema = id;
export const hostIdSchema = id;
export const functionIdSchema = id;
export const tenantIdSchema = id;

/** Made ids: a prefix and ten characters; short, since a QEMU node name holds at most 31 characters. */
const made = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[a-z0-9]{10}$`), `an id like ${prefix}-0123456789`);

export const volumeIdSchema = made('vol');
export const legIdSchema = made('leg');
export const snapshotIdSchema = made('snap');
export const keyRefSchema = made('key');
export const changeIdSchema = made('chg');
/** Fences reports: a report is accepted only with the operation id that the desired state carries. */
export const operationIdSchema = made('op');

export type MadeIdPrefix = 'vol' | 'leg' | 'snap' | 'key' | 'chg' | 'op';
