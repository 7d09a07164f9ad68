import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BlockLedger, WrongBlock } from './block-ledger.js';

const run = promisify(execFile);
const PIECE_BYTES = 4 * 1024 ** 2;

/** Copies the whole volume out through its own export and holds every block against the ledger. */
export async function checkWholeVolume(options: {
  qemuImgPath: string;
  uri: string;
  folder: string;
  ledger: BlockLedger;
}): Promise<WrongBlock[]> {
  const image = join(options.folder, 'whole-volume.raw');
  try {
    await run(options.qemuImgPath, ['convert', '-f', 'raw', '-O', 'raw', options.uri, image], { timeout: 300_000 });
    return await checkImage(image, options.ledger);
  } finally {
    await rm(image, { force: true });
  }
}

async function checkImage(image: string, ledger: BlockLedger): Promise<WrongBlock[]> {
  const file = await open(image);
  try {
    const wrong: WrongBlock[] = [];
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; ;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset);
      if (bytesRead === 0) return wrong;
      wrong.push(...ledger.check(piece.subarray(0, bytesRead), offset));
      offset += bytesRead;
    }
  } finally {
    await file.close();
  }
}
