import { afterEach, describe, expect, test } from 'vitest';
import { type HealthServer, type Readiness, startHealthServer } from './health-server.js';
import { logTo } from './logger.js';

const fail = async () => Promise.reject(new Error('S3CRET detail'));

describe('the health server', () => {
  let server: HealthServer;
  const lines: string[] = [];
  afterEach(async () => {
    await server.stop();
    logTo(undefined, 'info');
  });
  const start = async (ready: () => Readiness | Promise<Readiness>, prometheusText = async () => 'bso_up 1\n') => {
    logTo({ write: (line) => void lines.push(line) }, 'info');
    server = await startHealthServer({ port: 0, ready, prometheusText });
  };
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(server.url + path, { method });
    return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
  };

  test('answers health, readiness and metrics', async () => {
    await start(() => ({ ready: true }));
    expect(await get('/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await get('/readyz?verbose')).toMatchObject({ status: 200, body: '{"ready":true}\n' });
    expect(await get('/metrics')).toEqual({ status: 200, type: 'text/plain; version=0.0.4', body: 'bso_up 1\n' });
  });

  test('is alive but not ready, and says why', async () => {
    await start(async () => ({ ready: false, reasons: ['no connection to the bus'] }));
    expect(await get('/healthz')).toMatchObject({ status: 200 });
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: expect.stringContaining('no connection to the bus'),
    });
  });

  test('a check or collection that fails is a 500 with its error in the log only', async () => {
    await start(fail, fail);
    expect(await get('/readyz')).toMatchObject({ status: 500, body: 'failed; see the log\n' });
    expect(await get('/metrics')).toMatchObject({ status: 500 });
    expect(lines.join('')).toContain('S3CRET detail');
    expect(await get('/healthz')).toMatchObject({ status: 200 });
  });

  test('a check that hangs answers not ready', async () => {
    await start(() => new Promise<never>(() => undefined));
    expect(await get('/readyz')).toMatchObject({ status: 503 });
  });

  test('refuses other paths and methods', async () => {
    await start(() => ({ ready: true }));
    expect(await get('/')).toMatchObject({ status: 404 });
    expect(await get('/healthz', 'POST')).toMatchObject({ status: 405 });
    expect(await get('/healthz', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });
});
