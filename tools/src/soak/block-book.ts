export const BLOCK_BYTES = 4096;
/** The volume's tag, the block's place and the write's number, as many times as a block holds them. */
const WORD_BYTES = 16;
/** What a write's number is kept as: nothing was ever written there. */
const NEVER = 0;

/**
 * What each block of a volume must hold: the last write that was acknowledged, or one after it whose outcome is not
 * known. A block says of which volume, which place and which write it is, so a block that is old, misplaced or another
 * volume's is as wrong as one that is damaged.
 */
export class BlockBook {
  readonly #tag: number;
  readonly #acknowledged = new Map<number, number>();
  readonly #unsure = new Map<number, Set<number>>();
  readonly #foundWrong = new Set<number>();
  #next = NEVER + 1;

  /** `tag`: of this volume alone, from 1 on. */
  constructor(tag: number) {
    this.#tag = tag;
  }

  /** What to write to `count` blocks from one on; until it is settled, either content is right. */
  issue(first: number, count: number): { readonly number: number; readonly content: Buffer } {
    const number = this.#next;
    this.#next += 1;
    const blocks = Array.from({ length: count }, (_, at) => first + at);
    for (const block of blocks) this.#unsure.set(block, (this.#unsure.get(block) ?? new Set()).add(number));
    return { number, content: Buffer.concat(blocks.map((block) => this.#content(block, number))) };
  }

  acknowledged(first: number, count: number, number: number): void {
    for (let block = first; block < first + count; block += 1) {
      this.#acknowledged.set(block, number);
      this.#unsure.delete(block);
    }
  }

  /** How many bytes of a piece that begins with block `first` are wrong; those of a block that was found before are not counted again. */
  newlyWrongBytesIn(piece: Buffer, first: number): number {
    let wrongBytes = 0;
    for (let at = 0; at + BLOCK_BYTES <= piece.length; at += BLOCK_BYTES) {
      const block = first + at / BLOCK_BYTES;
      const wrong = this.#wrongBytesOf(piece.subarray(at, at + BLOCK_BYTES), block);
      if (wrong === 0 || this.#foundWrong.has(block)) continue;
      this.#foundWrong.add(block);
      wrongBytes += wrong;
    }
    return wrongBytes;
  }

  #wrongBytesOf(bytes: Buffer, block: number): number {
    const right = [this.#acknowledged.get(block) ?? NEVER, ...(this.#unsure.get(block) ?? [])];
    return Math.min(...right.map((number) => differingBytes(bytes, this.#content(block, number))));
  }

  #content(block: number, number: number): Buffer {
    if (number === NEVER) return Buffer.alloc(BLOCK_BYTES);
    const word = Buffer.alloc(WORD_BYTES);
    word.writeUInt32BE(this.#tag, 0);
    word.writeUInt32BE(block, 4);
    word.writeBigUInt64BE(BigInt(number), 8);
    return Buffer.alloc(BLOCK_BYTES, word);
  }
}

function differingBytes(one: Buffer, other: Buffer): number {
  if (one.equals(other)) return 0;
  let count = 0;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) count += 1;
  return count;
}
