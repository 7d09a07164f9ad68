import { setTimeout as delay } from 'node:timers/promises';
import { NbdClient, NbdError } from '@flexbso/dataplane-qsd';
import { openVolume } from '../load/numbered-writes.js';
import { BLOCK_BYTES, BlockBook } from './block-book.js';
import type { Random } from './random.js';
import type { Tally } from './tally.js';

/** Twenty of them beside everything else are for two cores: enough that every change meets I/O, and no more. */
const MEAN_PAUSE_MS = 40;
const MOST_BLOCKS = 8;
const PIECE_BLOCKS = 256;
/** After a failure a guest tries again, not in a loop without a pause. */
const AFTER_FAILURE_MS = 200;

/** A fault put in on purpose, to show that it is found. */
export type PlantedIo = 'wrong-byte' | 'failed-io';

/** One volume's client: writes and reads at random, a request at a time, and holds every byte read against what was written. */
export class Guest {
  readonly #uri: string;
  readonly #book: BlockBook;
  readonly #random: Random;
  readonly #tally: Tally;
  #client: NbdClient;
  #isStopping = false;
  #mustLookAgain = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(client: NbdClient, uri: string, tag: number, random: Random, tally: Tally) {
    this.#client = client;
    this.#uri = uri;
    this.#book = new BlockBook(tag);
    this.#random = random;
    this.#tally = tally;
  }

  /** Fills the volume, then goes on until it is stopped. `tag`: of this volume alone. */
  static async start(uri: string, tag: number, random: Random, tally: Tally): Promise<Guest> {
    const guest = new Guest(await openVolume(uri), uri, tag, random, tally);
    await guest.#attempt(() => guest.#fillFrom(0));
    guest.#begin();
    return guest;
  }

  /** Disconnects for as long as `act` takes, which takes the device away. */
  async awayFor<T>(act: () => Promise<T>): Promise<T> {
    this.#isStopping = true;
    await this.#ended;
    this.#client.close();
    try {
      return await act();
    } finally {
      this.#mustLookAgain = true;
      this.#isStopping = false;
      this.#begin();
    }
  }

  /** Ends after what is in flight, with a read of the whole volume through a new connection; faults are put in before. */
  async stop(planted: readonly PlantedIo[] = []): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
    for (const fault of planted) await this.#plant(fault);
    await this.#attempt(async () => {
      await (this.#mustLookAgain ? this.#lookAgain() : this.#connectAgain());
      await this.#readFrom(0);
    });
    this.#client.close();
  }

  get #blocks(): number {
    return Math.floor(this.#client.sizeBytes / BLOCK_BYTES);
  }

  /** Whoever stops it is told of what it died of; until then nobody waits for it. */
  #begin(): void {
    this.#ended = this.#run();
    this.#ended.catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      await this.#attempt(async () => {
        if (this.#mustLookAgain) await this.#lookAgain();
        const count = this.#random.between(1, MOST_BLOCKS + 1);
        const first = this.#random.between(0, this.#blocks - count + 1);
        await (this.#random.chance(0.6) ? this.#write(first, count) : this.#read(first, count));
      });
      await delay(MEAN_PAUSE_MS * 2 * this.#random.next());
    }
  }

  async #plant(fault: PlantedIo): Promise<void> {
    const client = this.#client;
    if (fault === 'wrong-byte') return flipLastByte(client);
    await this.#attempt(() => client.write(client.sizeBytes, Buffer.alloc(BLOCK_BYTES)));
  }

  async #lookAgain(): Promise<void> {
    this.#mustLookAgain = false;
    await this.#connectAgain();
  }

  async #connectAgain(): Promise<void> {
    this.#client.close();
    this.#client = await openVolume(this.#uri);
  }

  async #readFrom(block: number): Promise<void> {
    for (let first = block; first < this.#blocks; first += PIECE_BLOCKS)
      await this.#read(first, Math.min(PIECE_BLOCKS, this.#blocks - first));
  }

  async #fillFrom(block: number): Promise<void> {
    for (let first = block; first < this.#blocks; first += PIECE_BLOCKS)
      await this.#write(first, Math.min(PIECE_BLOCKS, this.#blocks - first));
  }

  async #write(first: number, count: number): Promise<void> {
    const { number, content } = this.#book.issue(first, count);
    await this.#timed(() => this.#client.write(first * BLOCK_BYTES, content));
    this.#book.acknowledged(first, count, number);
  }

  async #read(first: number, count: number): Promise<void> {
    const piece = await this.#timed(() => this.#client.read(first * BLOCK_BYTES, count * BLOCK_BYTES));
    this.#tally.wrongBytes += this.#book.newlyWrongBytesIn(piece, first);
  }

  async #timed<T>(request: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const answer = await request();
    this.#tally.io(performance.now() - startedAt);
    return answer;
  }

  /** A request that is refused, or a connection that is lost, is a failed I/O each time. */
  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof NbdError)) throw error;
      this.#tally.failedIo += 1;
      this.#tally.complain(`I/O on ${this.#uri}: ${error.message}`);
      await delay(AFTER_FAILURE_MS);
      // Where nothing answers yet, the next request says so and is counted too.
      this.#mustLookAgain = true;
    }
  }
}

async function flipLastByte(client: NbdClient): Promise<void> {
  const offset = client.sizeBytes - BLOCK_BYTES;
  const block = await client.read(offset, BLOCK_BYTES);
  block.writeUInt8(block.readUInt8(BLOCK_BYTES - 1) ^ 1, BLOCK_BYTES - 1);
  await client.write(offset, block);
}
