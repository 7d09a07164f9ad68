import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { logger, logTo, nameLogsAfter } from './logger.js';
import { span, withTraceHeaders } from './span.js';
import { startObservability } from './start-observability.js';

describe('a log line', () => {
  const lines: string[] = [];
  const last = (): unknown => JSON.parse(lines.at(-1) ?? 'null');
  beforeEach(() => {
    nameLogsAfter('agent');
    logTo({ write: (line) => void lines.push(line) }, 'info');
  });
  afterEach(() => {
    logTo(undefined, 'info');
    vi.unstubAllEnvs();
    lines.length = 0;
  });

  test('is one JSON object with time, level, service, component, message and the facts', () => {
    logger('reconciler').with({ cardId: 'card-1' }).info('volume placed', { volumeId: 'vol-1', sizeBytes: 5 });
    expect(last()).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: 'info',
      service: 'agent',
      component: 'reconciler',
      message: 'volume placed',
      cardId: 'card-1',
      volumeId: 'vol-1',
      sizeBytes: 5,
    });
    expect(lines[0]?.split('\n')).toHaveLength(2);
  });

  test('holds no secret', () => {
    logger('keys').warn('key not unsealed', { sealedKey: 'S3CRET', nested: [{ token: 'S3CRET' }], keyRef: 'key-1' });
    expect(lines[0]).not.toContain('S3CRET');
    expect(last()).toMatchObject({ sealedKey: '[redacted]', keyRef: 'key-1' });
  });

  test('has each name once, also when a fact is called like one of its own', () => {
    logger('x').info('hello', { message: 'other', time: 1, level: 'debug' });
    expect(last()).toMatchObject({ message: 'hello', message_: 'other', time_: 1, level: 'info', level_: 'debug' });
  });

  test('is left out below the level', () => {
    logger('x').debug('detail');
    expect(lines).toEqual([]);
  });

  test('carries the ids of the trace and span that it was written in', async () => {
    vi.stubEnv('OTEL_TRACES_EXPORTER', 'none');
    const observability = startObservability({ serviceName: 'agent', serviceVersion: '0' });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await withTraceHeaders({ traceparent }, () => span('step', {}, () => logger('x').info('inside')));
    expect(last()).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    await observability.stop();
  });

  test('an unknown LOG_LEVEL is refused by name', () => {
    vi.stubEnv('LOG_LEVEL', 'loud');
    expect(() => logTo({ write: () => undefined })).toThrow(
      'LOG_LEVEL is "loud"; it may be debug, info, warn, error, silent',
    );
  });
});
