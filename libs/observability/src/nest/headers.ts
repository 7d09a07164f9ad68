import type { TextMapGetter } from '@opentelemetry/api';

/** Reads trace headers from what requests carry: plain objects, and objects with `get(name)` such as NATS headers. */
export const anyHeaders: TextMapGetter<unknown> = {
  keys: (headers) => (typeof headers === 'object' && headers !== null ? Object.keys(headers) : []),
  get: (headers, name) => {
    if (typeof headers !== 'object' || headers === null) return undefined;
    const value: unknown =
      'get' in headers && typeof headers.get === 'function'
        ? Reflect.apply(headers.get, headers, [name])
        : Reflect.get(headers, name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  },
};
