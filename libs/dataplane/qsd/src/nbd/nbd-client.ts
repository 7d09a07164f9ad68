import { connect, type Socket } from 'node:net';

/** NBD's own numbers, from the protocol's text (github.com/NetworkBlockDevice/nbd, doc/proto.md). */
const NBD_MAGIC = 0x4e42444d41474943n;
const IHAVEOPT = 0x49484156454f5054n;
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const FIXED_NEWSTYLE_NO_ZEROES = 3;
const OPT_GO = 7;
const REP_ACK = 1;
const REP_INFO = 3;
const INFO_EXPORT = 0;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;

/** The most that is asked for in one request; any server takes 1 MiB. */
const MAX_REQUEST_BYTES = 1024 * 1024;

export class NbdError extends Error {
  override readonly name = 'NbdError';
}

/**
 * A plain NBD client over a Unix socket, one request at a time: for reading and writing a few MiB of an
 * export (an encryption header, a pattern to compare), not for carrying a guest.
 */
export class NbdClient {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  #buffer = Buffer.alloc(0);
  #failure: Error | null = null;
  #wake: (() => void) | null = null;
  #sizeBytes = 0;
  #cookie = 0n;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake?.();
    });
    socket.on('error', (cause) => this.#fail(new NbdError(`the NBD connection failed: ${cause.message}`, { cause })));
    socket.on('close', () => this.#fail(new NbdError('the NBD server closed the connection')));
  }

  /** @throws NbdError when the server does not know the export, refuses, or does not answer in time */
  static async open(socketPath: string, exportName: string, timeoutMs = 30_000): Promise<NbdClient> {
    const client = new NbdClient(connect(socketPath), timeoutMs);
    try {
      await client.#negotiate(exportName);
      return client;
    } catch (cause) {
      client.#socket.destroy();
      throw cause;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let done = 0; done < length; done += MAX_REQUEST_BYTES) {
      const count = Math.min(MAX_REQUEST_BYTES, length - done);
      parts.push(await this.#request(COMMAND.read, offset + done, count, null));
    }
    return Buffer.concat(parts);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; done += MAX_REQUEST_BYTES) {
      const part = data.subarray(done, done + MAX_REQUEST_BYTES);
      await this.#request(COMMAND.write, offset + done, part.length, part);
    }
  }

  async flush(): Promise<void> {
    await this.#request(COMMAND.flush, 0, 0, null);
  }

  /** Ends the connection in the way that the protocol wants it. */
  close(): void {
    this.#socket.end(requestHeader(COMMAND.disconnect, 0n, 0, 0));
  }

  async #negotiate(exportName: string): Promise<void> {
    const hello = await this.#take(18);
    if (hello.readBigUInt64BE(0) !== NBD_MAGIC || hello.readBigUInt64BE(8) !== IHAVEOPT)
      throw new NbdError('not an NBD server');
    const name = Buffer.from(exportName);
    const option = Buffer.alloc(4 + 8 + 4 + 4 + 4 + name.length + 2);
    option.writeUInt32BE(FIXED_NEWSTYLE_NO_ZEROES, 0);
    option.writeBigUInt64BE(IHAVEOPT, 4);
    option.writeUInt32BE(OPT_GO, 12);
    option.writeUInt32BE(4 + name.length + 2, 16);
    option.writeUInt32BE(name.length, 20);
    name.copy(option, 24);
    this.#socket.write(option);
    for (;;) {
      const head = await this.#take(20);
      if (head.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC)
        throw new NbdError('the NBD server broke the protocol in its negotiation');
      const [type, data] = [head.readUInt32BE(12), await this.#take(head.readUInt32BE(16))];
      if (type === REP_ACK) return;
      if (type !== REP_INFO)
        throw new NbdError(`the NBD server refuses the export ${exportName}: ${data.toString('utf8')}`);
      if (data.readUInt16BE(0) === INFO_EXPORT) this.#sizeBytes = Number(data.readBigUInt64BE(2));
    }
  }

  async #request(command: number, offset: number, length: number, payload: Uint8Array | null): Promise<Buffer> {
    this.#cookie += 1n;
    this.#socket.write(requestHeader(command, this.#cookie, offset, length));
    if (payload !== null) this.#socket.write(payload);
    const reply = await this.#take(16);
    if (reply.readUInt32BE(0) !== SIMPLE_REPLY_MAGIC || reply.readBigUInt64BE(8) !== this.#cookie)
      throw new NbdError('the NBD server answered with what was not asked');
    const errno = reply.readUInt32BE(4);
    if (errno !== 0)
      throw new NbdError(`the NBD server answered with error ${errno} to command ${command} at ${offset}`);
    return command === COMMAND.read ? this.#take(length) : Buffer.alloc(0);
  }

  async #take(length: number): Promise<Buffer> {
    const timer = setTimeout(
      () => this.#fail(new NbdError(`no answer from the NBD server in ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    );
    try {
      while (this.#buffer.length < length) {
        if (this.#failure !== null) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  #fail(reason: Error): void {
    this.#failure ??= reason;
    this.#socket.destroy();
    this.#wake?.();
  }
}

function requestHeader(command: number, cookie: bigint, offset: number, length: number): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(command, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return header;
}
