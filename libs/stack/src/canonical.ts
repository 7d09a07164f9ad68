import { createHash } from 'node:crypto';

/** JSON with sorted keys and without undefined members: equal values give equal text, whatever their key order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(byKey))
      : inner,
  );
}

/** Whether two plain values are the same, key order aside. */
export function isSame(left: unknown, right: unknown): boolean {
  return canonicalJson(left) === canonicalJson(right);
}

/** SHA-256 of the canonical JSON, as 64 hex digits. */
export function canonicalDigest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

// By code unit, not by locale: the digest must be the same on every machine.
function byKey([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : Number(left > right);
}
