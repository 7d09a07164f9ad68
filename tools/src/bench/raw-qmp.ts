import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

type Reply = { return?: unknown; error?: { desc: string }; event?: string; QMP?: unknown };

/** The barest client of a monitor: what the product's own is measured against must not be the product's own. */
export class RawQmp {
  readonly #socket: Socket;
  readonly #replies: ((reply: Reply) => void)[] = [];
  readonly #events: ((event: string) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#hear(JSON.parse(line)));
  }

  static async connect(path: string): Promise<RawQmp> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const qmp = new RawQmp(socket);
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  execute(command: string, args: object = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#replies.push((reply) =>
      reply.error ? reject(new Error(`${command}: ${reply.error.desc}`)) : resolve(reply.return),
    );
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return promise;
  }

  /** Resolves when the event comes; ask before doing what brings it about. */
  event(name: string): Promise<void> {
    return new Promise((resolve) => this.#events.push((event) => event === name && resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear(reply: Reply): void {
    if (reply.event !== undefined) for (const listener of this.#events) listener(reply.event);
    else if (reply.QMP === undefined) this.#replies.shift()?.(reply);
  }
}
