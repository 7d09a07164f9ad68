import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSecretName, redact } from './redact.js';

describe('a secret', () => {
  test.each([
    'key',
    'volumeKey',
    'VOLUME_KEY',
    'access-token',
    'sealedKey',
    'sealedTo',
    'seed',
    'passphrase',
    'apiTokens',
    'Authorization',
  ])('is what is called %s', (name) => expect(isSecretName(name)).toBe(true));
  test.each(['keyRef', 'keyId', 'monkey', 'tokenBucketSize', 'secretary', 'volumeId', ''])(
    'is not what is called %j',
    (name) => expect(isSecretName(name)).toBe(false),
  );

  test('is replaced wherever it is', () => {
    const wrapped = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constant({ key: 'S3CRET', n: 1 }),
        fc.record({ inner: tie('tree'), list: fc.array(tie('tree'), { maxLength: 3 }) }),
        tie('tree').map((tree) => new Map([['inside', tree]])),
        tie('tree').map((tree) => new Error('failed', { cause: tree })),
      ),
    }));
    fc.assert(
      fc.property(wrapped.tree, (tree) => {
        expect(JSON.stringify(redact(tree))).not.toContain('S3CRET');
      }),
    );
  });
});

describe('what is logged', () => {
  test('keeps an error with its code and its causes', () => {
    const error = Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'step-failed' });
    expect(redact({ error })).toMatchObject({
      error: { name: 'Error', message: 'outer', code: 'step-failed', cause: { name: 'TypeError', message: 'inner' } },
    });
  });

  test('is bounded, whatever comes: circles, depth, length, bytes', () => {
    const circle: Record<string, unknown> = {
      text: 'x'.repeat(100_000),
      list: Array.from({ length: 10_000 }, () => 1),
    };
    circle['self'] = circle;
    expect(JSON.stringify(redact(circle)).length).toBeLessThan(50_000);
    expect(redact(Buffer.from('bytes'))).toBe('[5 bytes]');
  });

  test('can always be written as JSON', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true }), (value) => {
        expect(() => JSON.stringify({ value: redact(value) })).not.toThrow();
      }),
    );
  });
});
