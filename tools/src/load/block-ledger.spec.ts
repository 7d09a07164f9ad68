import { describe, expect, it } from 'vitest';
import { BlockLedger, LEDGER_BLOCK_BYTES } from './block-ledger.js';

const block = (offsetBytes: number, sequence: number): Buffer => {
  const bytes = Buffer.alloc(LEDGER_BLOCK_BYTES, 7);
  bytes.writeUInt16LE(0xacca, 0);
  bytes.writeBigUInt64LE(BigInt(offsetBytes), 16);
  bytes.writeUInt16LE(sequence, 34);
  return bytes;
};
const ioLog = (...offsets: number[]): string =>
  ['fio version 3 iolog', '1 volume add', ...offsets.map((offset, at) => `${at} volume write ${offset} 4096`), ''].join(
    '\n',
  );

describe('the block ledger', () => {
  it('accepts a volume whose every block is its last write', () => {
    const ledger = new BlockLedger(3 * LEDGER_BLOCK_BYTES);
    expect(ledger.enter(ioLog(0, 4096, 0))).toBe(3);
    expect(ledger.check(Buffer.concat([block(0, 2), block(4096, 1), Buffer.alloc(LEDGER_BLOCK_BYTES)]), 0)).toEqual([]);
  });

  it('finds a block that is whole but old', () => {
    const ledger = new BlockLedger(LEDGER_BLOCK_BYTES);
    ledger.enter(ioLog(0, 0));
    expect(ledger.check(block(0, 0), 0)).toEqual([{ offsetBytes: 0, why: 'holds write 0, the last was 1' }]);
  });

  it('finds a block that belongs elsewhere, one that lost its header, and one that nobody wrote', () => {
    const ledger = new BlockLedger(3 * LEDGER_BLOCK_BYTES);
    ledger.enter(ioLog(0, 4096));
    const wrong = ledger.check(Buffer.concat([block(4096, 0), Buffer.alloc(LEDGER_BLOCK_BYTES), block(8192, 2)]), 0);
    expect(wrong.map((entry) => entry.why)).toEqual([
      'holds the block of offset 4096',
      'no header',
      'never written, yet not zeros',
    ]);
  });

  it('gives every block of a larger request the number of the request', () => {
    const ledger = new BlockLedger(3 * LEDGER_BLOCK_BYTES);
    ledger.enter('fio version 3 iolog\n1 volume write 0 4096\n2 volume write 4096 8192\n');
    expect(ledger.check(Buffer.concat([block(0, 0), block(4096, 1), block(8192, 1)]), 0)).toEqual([]);
  });

  it('expects zeros where a volume has grown, and what was written where it was', () => {
    const ledger = new BlockLedger(LEDGER_BLOCK_BYTES);
    ledger.enter(ioLog(0));
    ledger.grow(3 * LEDGER_BLOCK_BYTES);
    expect(ledger.sizeBytes).toBe(3 * LEDGER_BLOCK_BYTES);
    const wrong = ledger.check(Buffer.concat([block(0, 0), Buffer.alloc(LEDGER_BLOCK_BYTES), block(8192, 0)]), 0);
    expect(wrong).toEqual([{ offsetBytes: 8192, why: 'never written, yet not zeros' }]);
  });

  it('keeps what earlier runs wrote and counts each run from its own start', () => {
    const ledger = new BlockLedger(2 * LEDGER_BLOCK_BYTES);
    ledger.enter(ioLog(0, 4096));
    ledger.enter(ioLog(4096));
    expect(ledger.check(Buffer.concat([block(0, 0), block(4096, 0)]), 0)).toEqual([]);
  });
});
