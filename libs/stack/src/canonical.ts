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
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  if (isRecord(left) && isRecord(right)) return isSameRecord(left, right);
  // Values that JSON writes alike, such as NaN and null.
  return !isContainer(left) && !isContainer(right) && JSON.stringify(left) === JSON.stringify(right);
}

function isSameRecord(left: object, right: object): boolean {
  const others = new Map(Object.entries(right).filter(isWritten));
  const own = Object.entries(left).filter(isWritten);
  return own.length === others.size && own.every(([key, value]) => others.has(key) && isSame(value, others.get(key)));
}

/** JSON has no undefined: such a member is as good as none. */
function isWritten([, value]: [string, unknown]): boolean {
  return value !== undefined;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isRecord(value: unknown): value is object {
  return isContainer(value) && !Array.isArray(value);
}

/** SHA-256 of the canonical JSON, as 64 hex digits. */
export function canonicalDigest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

// By code unit, not by locale: the digest must be the same on every machine.
function byKey([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : Number(left > right);
}
