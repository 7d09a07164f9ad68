import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventExample } from '../openapi/examples.js';
import { EventWriter } from './event-writer.js';

let server: Server | undefined;
let client: Socket | undefined;
afterEach(() => {
  client?.destroy();
  server?.close();
  server?.closeAllConnections();
});

/** The response to a client that reads nothing until it is told to. */
async function stalledClient(): Promise<ServerResponse> {
  server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const requested = once(server, 'request');
  client = connect(address.port, '127.0.0.1');
  client.pause();
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, response] = (await requested) as [unknown, ServerResponse];
  return response;
}

const large = { ...eventExample, data: { filling: 'x'.repeat(200_000) } };
/** Far more than the sockets' buffers of a loopback connection take. */
const many = 500;

describe('a client that does not read', () => {
  it('is cut, and nothing is piled up for it', async () => {
    const response = await stalledClient();
    const writer = new EventWriter(response, {}, 50);
    let written = 0;
    while (written < many && (await writer.event(written, large))) written += 1;
    expect(written).toBeLessThan(many);
    expect(response.destroyed).toBe(true);
    expect(response.writableLength).toBeLessThan(1_000_000);
    expect(await writer.event(0, large)).toBe(false);
  });

  it('is waited for as long as it comes back in time', async () => {
    const response = await stalledClient();
    const writer = new EventWriter(response, {}, 30_000);
    let written = 0;
    while (written < many) {
      const one = writer.event(written, large);
      if (response.writableNeedDrain) client?.resume();
      expect(await one).toBe(true);
      written += 1;
    }
    writer.end();
  });
});
