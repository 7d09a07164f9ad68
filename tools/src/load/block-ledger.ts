/**
 * What every block of a volume must hold: which write was the last to it. fio numbers the blocks that it
 * writes and its own verification looks only at what it wrote a moment ago; the ledger looks at the
 * whole volume, and finds a block that is whole but old.
 *
 * fio's header on each block (its verify.h): magic 0xacca at byte 0, the block's own offset at
 * byte 16, the low 16 bits of the write's number at byte 34.
 */
const HEADER_MAGIC = 0xacca;
const OFFSET_AT = 16;
const SEQUENCE_AT = 34;
export const LEDGER_BLOCK_BYTES = 4096;

export interface WrongBlock {
  readonly offsetBytes: number;
  readonly why: string;
}

export class BlockLedger {
  /** By block: the low 16 bits of the last write's number, or -1 for a block never written. */
  #sequences: Int32Array;

  constructor(sizeBytes: number) {
    this.#sequences = new Int32Array(sizeBytes / LEDGER_BLOCK_BYTES).fill(-1);
  }

  get sizeBytes(): number {
    return this.#sequences.length * LEDGER_BLOCK_BYTES;
  }

  /** Makes room for a volume that has grown: what is new was never written. */
  grow(sizeBytes: number): void {
    const grown = new Int32Array(sizeBytes / LEDGER_BLOCK_BYTES).fill(-1);
    grown.set(this.#sequences);
    this.#sequences = grown;
  }

  /** Enters the writes of one fio job from its I/O log (`write_iolog`, version 3), in the order of issue. */
  enter(ioLog: string): number {
    let sequence = 0;
    for (const line of ioLog.split('\n')) {
      const [, , operation, offset, length] = line.split(' ');
      if (operation !== 'write') continue;
      const first = Number(offset) / LEDGER_BLOCK_BYTES;
      // Each block of a larger request carries the request's number.
      this.#sequences.fill(sequence & 0xffff, first, first + Number(length) / LEDGER_BLOCK_BYTES);
      sequence += 1;
    }
    return sequence;
  }

  /** Compares a piece of the volume, read at `offsetBytes`, with what was last written there. */
  check(piece: Buffer, offsetBytes: number): WrongBlock[] {
    const wrong: WrongBlock[] = [];
    for (let at = 0; at + LEDGER_BLOCK_BYTES <= piece.length; at += LEDGER_BLOCK_BYTES) {
      const why = this.#wrongAt(piece, at, offsetBytes + at);
      if (why !== null) wrong.push({ offsetBytes: offsetBytes + at, why });
    }
    return wrong;
  }

  #wrongAt(piece: Buffer, at: number, offsetBytes: number): string | null {
    const expected = this.#sequences[offsetBytes / LEDGER_BLOCK_BYTES] ?? -1;
    if (expected === -1)
      return piece.subarray(at, at + LEDGER_BLOCK_BYTES).every((byte) => byte === 0)
        ? null
        : 'never written, yet not zeros';
    if (piece.readUInt16LE(at) !== HEADER_MAGIC) return 'no header';
    if (piece.readBigUInt64LE(at + OFFSET_AT) !== BigInt(offsetBytes))
      return `holds the block of offset ${piece.readBigUInt64LE(at + OFFSET_AT)}`;
    const found = piece.readUInt16LE(at + SEQUENCE_AT);
    return found === expected ? null : `holds write ${found}, the last was ${expected}`;
  }
}
