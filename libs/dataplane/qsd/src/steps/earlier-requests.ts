import type { Daemon } from '../daemon/daemon.js';
import { nothing } from '../qmp/replies.js';

/**
 * Waits until all that guests have asked of a daemon before is done, limits or no limits: a transaction drains the daemon
 * before its actions, of which it needs none.
 */
export async function awaitEarlierRequests({ qmp }: Daemon): Promise<void> {
  await qmp.execute('transaction', { actions: [] }, nothing);
}
