import { createHash } from 'node:crypto';
import type { MadeIdPrefix } from '@flexbso/contracts';
import type { Randomness } from './ports.js';

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
/** 36^10 is 3.6e15: a fleet's lifetime of ids stays far from a collision, and the tables' primary keys refuse one. */
const idLength = 10;

/** An id nobody can foresee: for what a plan does not name (changes, operations). */
export function randomId(prefix: MadeIdPrefix, randomness: Randomness): string {
  return `${prefix}-${charactersOf(randomness.bytes(16))}`;
}

/**
 * An id that the same facts always give. Volumes, legs and keys have such ids, so that a dry run names exactly what the
 * real run will make, and a client can bind itself to its digest.
 */
export function derivedId(prefix: MadeIdPrefix, ...facts: readonly (string | number)[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([prefix, ...facts]))
    .digest();
  return `${prefix}-${charactersOf(digest)}`;
}

/** The lowest 50-odd bits of 128 in base 36; the bias of the division is 2^-76. */
function charactersOf(bytes: Uint8Array): string {
  let value = BigInt(`0x${Buffer.from(bytes.subarray(0, 16)).toString('hex')}`);
  let characters = '';
  while (characters.length < idLength) {
    characters += alphabet[Number(value % 36n)] ?? '0';
    value /= 36n;
  }
  return characters;
}

/** A random UUID (version 4), from the given source. */
export function randomUuid(randomness: Randomness): string {
  const bytes = Buffer.from(randomness.bytes(16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
