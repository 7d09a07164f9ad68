import { QmpCommandError } from '../qmp/errors.js';
import type { QmpClient } from '../qmp/qmp-client.js';
import { nothing } from '../qmp/replies.js';

/**
 * Opens a file as a node: without the page cache where the file system can, so that a flushed write is on the disk
 * itself. `buffered`: through it all the same, since btrfs compresses only what it writes back from there; a flush
 * still ends on the disk.
 */
export async function addFileNode(qmp: QmpClient, nodeName: string, path: string, buffered: boolean): Promise<void> {
  const add = (direct: boolean) =>
    qmp.execute(
      'blockdev-add',
      { driver: 'file', 'node-name': nodeName, filename: path, cache: { direct }, discard: 'unmap' },
      nothing,
    );
  if (buffered) {
    await add(false);
    return;
  }
  try {
    await add(true);
  } catch (cause) {
    if (!(cause instanceof QmpCommandError) || !cause.description.includes('O_DIRECT')) throw cause;
    await add(false);
  }
}
