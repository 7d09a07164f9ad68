import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { QmpClient } from './qmp-client.js';

let folder: string;
let server: Server;
let sockets: Socket[];
/** What the monitor answers a line with; null: nothing. */
let answer: (line: { execute: string; id: number }) => string | null;
let greets: boolean;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'qmp-'));
  [sockets, greets, answer] = [[], true, ({ id }) => JSON.stringify({ return: {}, id })];
  server = createServer((socket) => {
    sockets.push(socket);
    if (greets) socket.write('{"QMP": {}}\r\n');
    socket.on('data', (data: Buffer) => {
      for (const line of data.toString().split('\n').filter(Boolean)) {
        const reply = answer(JSON.parse(line));
        if (reply !== null) socket.write(`${reply}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'qmp.sock'), resolve));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

const clientOf = (timeoutMs = 5000) => new QmpClient(join(folder, 'qmp.sock'), timeoutMs);
const number = z.object({ n: z.number() });

test('answers are matched to their commands by id, whatever their order and the pieces that they come in', async () => {
  const held: string[] = [];
  answer = ({ execute, id }) => {
    const reply = JSON.stringify({ return: { n: execute.length }, id });
    if (execute === 'qmp_capabilities') return reply;
    held.push(reply);
    if (held.length < 3) return null;
    const whole = held.toReversed().join('\r\n');
    for (const character of whole) sockets[0]?.write(character);
    return '';
  };
  const client = clientOf();
  const answers = await Promise.all(['a', 'bb', 'ccc'].map((command) => client.execute(command, {}, number)));
  expect(answers).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  await client.close();
});

test("the daemon's refusal names the command and keeps its words", async () => {
  answer = ({ execute, id }) =>
    JSON.stringify(
      execute === 'fail' ? { error: { class: 'GenericError', desc: 'no such node' }, id } : { return: {}, id },
    );
  const client = clientOf();
  await expect(client.execute('fail', {}, number)).rejects.toMatchObject({
    name: 'QmpCommandError',
    command: 'fail',
    description: 'no such node',
  });
  await client.close();
});

test('no greeting, no answer and a lost connection are all told as unreachable, and the next command connects anew', async () => {
  greets = false;
  const client = clientOf(50);
  await expect(client.execute('query', {}, number)).rejects.toThrow(/another client holds the monitor/);
  greets = true;
  answer = ({ execute, id }) => (execute === 'silent' ? null : JSON.stringify({ return: { n: 1 }, id }));
  await expect(client.execute('silent', {}, number)).rejects.toThrow(/no answer in 50 ms/);
  for (const socket of sockets) socket.destroy();
  await expect(client.execute('query', {}, number).catch(() => client.execute('query', {}, number))).resolves.toEqual({
    n: 1,
  });
  await client.close();
});

test('what is not QMP ends the connection', async () => {
  answer = () => 'hello';
  await expect(clientOf().execute('query', {}, number)).rejects.toMatchObject({ name: 'QmpUnreachableError' });
});

test('a waiter is woken by an event, and by an abort', async () => {
  const client = clientOf();
  await client.execute('query', {}, z.unknown());
  const never = new AbortController();
  const woken = client.nextEvent(client.eventCount, 60_000, never.signal);
  sockets[0]?.write('{"event": "BLOCK_JOB_READY"}\r\n');
  await woken;
  const stopped = client.nextEvent(client.eventCount, 60_000, never.signal);
  await client.nextEvent(client.eventCount - 1, 60_000, never.signal);
  never.abort();
  await stopped;
  expect(never.signal.aborted).toBe(true);
  await client.close();
});

test('each event is told with what it carries', async () => {
  const client = clientOf();
  const told: [string, unknown][] = [];
  client.whenEvent((event, data) => told.push([event, data]));
  await client.execute('any', {}, z.unknown());
  const seenCount = client.eventCount;
  sockets[0]?.write('{"event": "QUORUM_REPORT_BAD", "data": {"node-name": "a"}, "timestamp": {}}\r\n');
  await client.nextEvent(seenCount, 5000, new AbortController().signal);
  expect(told).toEqual([['QUORUM_REPORT_BAD', { 'node-name': 'a' }]]);
  await client.close();
});
