import { QmpCommandError } from '../qmp/errors.js';
import type { QmpClient } from '../qmp/qmp-client.js';
import { nothing } from '../qmp/replies.js';

/**
 * Opens a file as a node: without the page cache where the file system can, so that a flushed write is on the disk
 * itself. `buffered`: through it all the same, since btrfs compresses only what it writes back from there; a flush
 * still ends on the disk. `shared`: to be read only, beside others that have it open.
 */
export async function addFileNode(
  qmp: QmpClient,
  nodeName: string,
  path: string,
  buffered: boolean,
  shared = false,
): Promise<void> {
  const file = { driver: 'file', 'node-name': nodeName, filename: path, discard: 'unmap', ...(shared ? reading : {}) };
  const add = (direct: boolean) => qmp.execute('blockdev-add', { ...file, cache: { direct } }, nothing);
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

/** Another daemon may have claimed the file to write to it, and does not while anybody reads it here. */
const reading = { 'read-only': true, locking: 'off' } as const;
