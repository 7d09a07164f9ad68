import { formatExport } from '../graph/node-names.js';
import { NbdClient } from '../nbd/nbd-client.js';
import { nothing } from '../qmp/replies.js';
import { nbdSocket, removeExport } from './export-steps.js';
import type { StepScene } from './step-scene.js';

/** What must read as zeros before anything is written there: a header's place and what a file system would put first. */
const LOOK_BYTES = 4 * 1024 * 1024;
const FIRST_BLOCK_BYTES = 4096;

/**
 * Gives a short look at a node's bytes, whatever it is made of, by exporting it on the daemon's private socket. Not
 * `writable` where something stands on the node.
 */
export async function withBytes<T>(
  scene: StepScene,
  node: string,
  use: (client: NbdClient) => Promise<T>,
  writable = true,
): Promise<T> {
  const id = formatExport(node);
  // One that is there is left over from an agent that died at this point.
  await removeExport(scene.daemon, id);
  await scene.daemon.qmp.execute(
    'block-export-add',
    { type: 'nbd', id, 'node-name': node, name: id, writable },
    nothing,
  );
  try {
    const client = await NbdClient.open(nbdSocket(scene.daemon), id);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  } finally {
    await removeExport(scene.daemon, id);
  }
}

export const readFirstBytes = (client: NbdClient, offsetBytes = 0): Promise<Buffer> =>
  client.read(offsetBytes, Math.min(LOOK_BYTES, client.sizeBytes - offsetBytes));

export const isAllZeros = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length));

/** The first block comes last: until then the mark tells that the header is not whole. */
export async function writeFirstBytes(client: NbdClient, mark: Buffer, header: Buffer): Promise<void> {
  const block = Buffer.alloc(FIRST_BLOCK_BYTES);
  mark.copy(block);
  await client.write(0, block);
  await client.flush();
  await client.write(FIRST_BLOCK_BYTES, header.subarray(FIRST_BLOCK_BYTES));
  await client.flush();
  await client.write(0, header.subarray(0, FIRST_BLOCK_BYTES));
  await client.flush();
}
