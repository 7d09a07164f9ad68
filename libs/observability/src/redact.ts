/** A field whose name ends with one of these words holds what must not be logged. */
const secretEndings = new Set([
  'key',
  'keys',
  'secret',
  'secrets',
  'seed',
  'seeds',
  'token',
  'tokens',
  'passphrase',
  'password',
  'authorization',
  'cookie',
]);

/** Deeper than any of our messages; what is deeper is a mistake, or a circle. */
const maxDepth = 8;
/** A list of everything would make one line of the log unreadable, and the log unbounded. */
const maxEntries = 100;
const maxTextLength = 4_096;

/** Whether a field of this name is secret: `key`, `volumeKey`, `access_token`, `sealedKey`, `sealedTo`; not `keyRef`. */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  return words[0]?.startsWith('sealed') === true || secretEndings.has(words.at(-1) ?? '');
}

/** A copy that can be logged: secret fields replaced, errors with their causes, depth, length and text bounded. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.length > maxTextLength ? `${value.slice(0, maxTextLength)}…` : value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) return '[too deep]';
  if (value instanceof Date) return value;
  if (value instanceof Error) return redactError(value, depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Map)
    return redactEntries(
      [...value].map(([key, item]) => [String(key), item]),
      depth,
    );
  if (value instanceof Set || Array.isArray(value))
    return [...value].slice(0, maxEntries).map((item) => redact(item, depth + 1));
  return redactEntries(Object.entries(value), depth);
}

function redactEntries(entries: readonly [string, unknown][], depth: number): Record<string, unknown> {
  const shown = entries.slice(0, maxEntries);
  return Object.fromEntries(
    shown.map(([name, item]) => [name, isSecretName(name) ? '[redacted]' : redact(item, depth + 1)]),
  );
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack } = error;
  const facts = redactEntries(Object.entries(error), depth);
  const cause = error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) };
  return { ...facts, name, message: redact(message), stack: redact(stack), ...cause };
}
