import { open } from 'node:fs/promises';
import type { BlockLedger, WrongBlock } from './block-ledger.js';
import type { LoadTarget } from './target.js';

const PIECE_BYTES = 4 * 1024 ** 2;

/** Has the client read the whole volume and holds every block against the ledger. */
export function checkWholeVolume(target: LoadTarget, ledger: BlockLedger): Promise<WrongBlock[]> {
  return target.withImage((image) => checkImage(image, target.sizeBytes, ledger));
}

async function checkImage(image: string, sizeBytes: number, ledger: BlockLedger): Promise<WrongBlock[]> {
  const file = await open(image);
  try {
    const wrong: WrongBlock[] = [];
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; offset < sizeBytes;) {
      const { bytesRead } = await file.read(piece, 0, Math.min(PIECE_BYTES, sizeBytes - offset), offset);
      if (bytesRead === 0) throw new Error(`the volume's image ends at ${offset} bytes, before ${sizeBytes}`);
      wrong.push(...ledger.check(piece.subarray(0, bytesRead), offset));
      offset += bytesRead;
    }
    return wrong;
  } finally {
    await file.close();
  }
}
