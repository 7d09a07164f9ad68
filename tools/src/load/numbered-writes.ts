import { setTimeout as delay } from 'node:timers/promises';
import { NbdClient, NbdError } from '@flexbso/dataplane-qsd';

export const BLOCK_BYTES = 4096;
const PIECE_BYTES = 1024 ** 2;
/** As many connections, each with one request in flight and blocks of its own. */
const WRITERS = 4;
/** Longer than a card lets I/O wait for a leg that is away. */
const ANSWER_TIMEOUT_MS = 120_000;
/** A request that fails at once is tried again by a guest, not in a loop without a pause. */
const AFTER_FAILURE_MS = 20;

/** What each block may hold: the last write that was acknowledged, or one after it whose outcome is unknown. */
export class BlockNumbers {
  readonly #acknowledged: Map<number, number>;
  readonly #pending: Map<number, number>;

  constructor(of?: BlockNumbers) {
    this.#acknowledged = new Map(of ? of.#acknowledged : []);
    this.#pending = new Map(of ? of.#pending : []);
  }

  /** How many blocks hold a write that was acknowledged. */
  get blockCount(): number {
    return this.#acknowledged.size;
  }

  issued(block: number, number: number): void {
    this.#pending.set(block, number);
  }

  acknowledged(block: number, number: number): void {
    this.#acknowledged.set(block, number);
    this.#pending.delete(block);
  }

  /** How the content differs from what was written, block by block; nothing is right. */
  wrongIn(content: Buffer): string[] {
    const wrong: string[] = [];
    for (let block = 0; block * BLOCK_BYTES < content.length; block += 1) {
      const bytes = content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      const number = bytes.readUInt32BE(0);
      const pending = this.#pending.get(block);
      const allowed = [this.#acknowledged.get(block) ?? 0, ...(pending === undefined ? [] : [pending])];
      if (!allowed.includes(number)) wrong.push(`block ${block} holds write ${number}, not ${allowed.join(' or ')}`);
      else if (!bytes.equals(blockOf(number))) wrong.push(`block ${block} holds parts of other writes than ${number}`);
    }
    return wrong;
  }
}

/**
 * A client that writes for as long as it is let, each write with a number of its own, and that keeps which were
 * acknowledged. It goes on when a write fails, and ends by itself when its volume's front end is gone.
 */
export class NumberedWrites {
  readonly numbers: BlockNumbers;
  acknowledgedCount = 0;
  failedCount = 0;
  #isStopped = false;
  #next: number;
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(numbers: BlockNumbers, firstNumber: number) {
    this.numbers = numbers;
    this.#next = firstNumber;
  }

  /** `after`: what the volume holds already; this client's numbers are larger than all of those when `firstNumber` is. */
  static async start(uri: string, { firstNumber = 1, after = new BlockNumbers() } = {}): Promise<NumberedWrites> {
    const writes = new NumberedWrites(new BlockNumbers(after), firstNumber);
    const clients: NbdClient[] = [];
    for (let index = 0; index < WRITERS; index += 1) clients.push(await openVolume(uri));
    writes.#ended = Promise.all(clients.map((client, index) => writes.#write(client, index)));
    return writes;
  }

  /** Ends after what is in flight. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #write(client: NbdClient, index: number): Promise<void> {
    const blocks = Math.floor(client.sizeBytes / BLOCK_BYTES / WRITERS);
    try {
      for (let turn = 0; !this.#isStopped; turn += 1) {
        // A step that shares no factor with a power of two comes to every block.
        const block = ((turn * 37) % blocks) * WRITERS + index;
        if ((await this.#writeOne(client, block)) === 'gone') return;
      }
    } finally {
      client.close();
    }
  }

  async #writeOne(client: NbdClient, block: number): Promise<'written' | 'failed' | 'gone'> {
    const number = this.#next;
    this.#next += 1;
    this.numbers.issued(block, number);
    try {
      await client.write(block * BLOCK_BYTES, blockOf(number));
      this.numbers.acknowledged(block, number);
      this.acknowledgedCount += 1;
      return 'written';
    } catch (error) {
      if (!(error instanceof NbdError)) throw error;
      if (!error.message.includes('answered with error')) return 'gone';
      this.failedCount += 1;
      await delay(AFTER_FAILURE_MS);
      return 'failed';
    }
  }
}

/** All that a volume holds, as its front end shows it. */
export async function contentOf(uri: string): Promise<Buffer> {
  const client = await openVolume(uri);
  try {
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < client.sizeBytes; offset += PIECE_BYTES)
      pieces.push(await client.read(offset, Math.min(PIECE_BYTES, client.sizeBytes - offset)));
    return Buffer.concat(pieces);
  } finally {
    client.close();
  }
}

/** Connects to a volume by the NBD address that it says. */
export function openVolume(uri: string): Promise<NbdClient> {
  const { pathname, searchParams } = new URL(uri);
  const socket = searchParams.get('socket');
  if (socket === null) throw new Error(`${uri} names no socket`);
  return NbdClient.open(socket, pathname.slice(1), ANSWER_TIMEOUT_MS);
}

/** A block that holds a write's number and nothing else. */
export function blockOf(number: number): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(number);
  return Buffer.alloc(BLOCK_BYTES, word);
}
