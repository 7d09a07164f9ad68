import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { QmpCommandError, QmpUnreachableError } from './errors.js';

/** Commands of one volume run one after the other; 64 waiting ones mean that the daemon hangs. */
const MAX_PENDING = 64;
/** `query-qmp-schema` answers with about 0.4 MB in one line, everything else with far less. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

const messageSchema = z.looseObject({
  QMP: z.unknown().optional(),
  id: z.int().optional(),
  return: z.unknown().optional(),
  error: z.looseObject({ class: z.string(), desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.unknown().optional(),
});

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** `data` is what the event carries, as it was sent. */
export type OnEvent = (event: string, data?: unknown) => void;

/**
 * One connection to a daemon's monitor. A monitor serves one client at a time: a second one
 * connects and then gets no greeting until the first has gone, which shows here as a deadline.
 */
export class QmpConnection {
  readonly #socket: Socket;
  readonly #onEvent: OnEvent;
  readonly #pending = new Map<number, Pending>();
  readonly #greeting = Promise.withResolvers<void>();
  #nextId = 1;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #closed: Error | null = null;

  private constructor(socket: Socket, onEvent: OnEvent) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (cause) =>
      this.#end(new QmpUnreachableError(`the monitor's connection failed: ${cause.message}`, { cause })),
    );
    socket.on('close', () => this.#end(new QmpUnreachableError('the monitor closed the connection')));
    // Whoever waits for the greeting handles its failure; after that nobody does, and nothing is lost.
    this.#greeting.promise.catch(() => undefined);
  }

  static async open(path: string, timeoutMs: number, onEvent: OnEvent): Promise<QmpConnection> {
    const connection = new QmpConnection(connect(path), onEvent);
    const timer = setTimeout(
      () =>
        connection.#end(
          new QmpUnreachableError(
            `no greeting from ${path} in ${timeoutMs} ms: another client holds the monitor, or the daemon hangs`,
          ),
        ),
      timeoutMs,
    );
    try {
      await connection.#greeting.promise;
      await connection.execute('qmp_capabilities', {}, timeoutMs);
      return connection;
    } finally {
      clearTimeout(timer);
    }
  }

  get isOpen(): boolean {
    return this.#closed === null;
  }

  execute(command: string, args: object, timeoutMs: number): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (this.#pending.size >= MAX_PENDING)
      return Promise.reject(new QmpUnreachableError(`${MAX_PENDING} commands are unanswered already`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new QmpUnreachableError(`qmp ${command}: no answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { command, resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  close(): void {
    this.#end(new QmpUnreachableError('the connection was closed by this side'));
  }

  #end(reason: Error): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.#socket.destroy();
    this.#greeting.reject(reason);
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(reason);
    }
    this.#pending.clear();
    this.#onEvent('DISCONNECTED');
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]).toString('utf8');
      this.#chunks = [];
      this.#bufferedBytes = 0;
      rest = rest.subarray(end + 1);
      this.#handle(line);
    }
    if (rest.length === 0) return;
    this.#chunks.push(rest);
    this.#bufferedBytes += rest.length;
    if (this.#bufferedBytes > MAX_LINE_BYTES)
      this.#end(new QmpUnreachableError(`a line of more than ${MAX_LINE_BYTES} bytes from the monitor`));
  }

  #handle(line: string): void {
    const message = parseMessage(line);
    if (message === null) return this.#end(new QmpUnreachableError('the monitor sent what is not QMP'));
    if (message.QMP !== undefined) return this.#greeting.resolve();
    if (message.event !== undefined) return this.#onEvent(message.event, message.data);
    const pending = message.id === undefined ? undefined : this.#pending.get(message.id);
    // An answer that nobody waits for any more came after its deadline.
    if (pending === undefined || message.id === undefined) return;
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.error !== undefined) pending.reject(new QmpCommandError(pending.command, message.error.desc));
    else pending.resolve(message.return);
  }
}

function parseMessage(line: string): z.infer<typeof messageSchema> | null {
  if (line.trim() === '') return {};
  try {
    return messageSchema.parse(JSON.parse(line));
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof z.ZodError) return null;
    throw cause;
  }
}
