import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { snapshotSchema } from '@flexbso/contracts';
import type { ApiClient } from '../api/client.js';
import type { Cluster } from '../cluster/cluster.js';
import { keptPaths } from './leaks.js';
import type { Tally } from './tally.js';

/** Where snapshots are, and who is told of one that changed. */
interface Watched {
  readonly cluster: Pick<Cluster, 'folders'>;
  readonly api: Pick<ApiClient, 'get'>;
  readonly tally: Pick<Tally, 'complain'>;
}

/** What each snapshot's legs held when it was taken, by the snapshot's id: digests by leg. */
export class SnapshotBook {
  readonly #digests = new Map<string, ReadonlyMap<string, string>>();

  /** Takes note of a snapshot whose change has just settled: nothing writes to its legs any more. */
  async note(scene: Watched, snapshotId: string, volumeId: string): Promise<void> {
    this.#digests.set(snapshotId, await digestsOf(scene, volumeId, snapshotId));
  }

  /** Complains of a leg whose bytes are not those of then. */
  async compare(scene: Watched, snapshotId: string, volumeId: string): Promise<void> {
    const then = this.#digests.get(snapshotId);
    if (!then) return;
    const now = await digestsOf(scene, volumeId, snapshotId);
    for (const [legId, digest] of then)
      if (now.get(legId) !== digest) scene.tally.complain(`${legId} of ${snapshotId} of ${volumeId} is not as it was`);
  }

  /** From its deletion's first copied byte it is not what it was. */
  forget(snapshotId: string): void {
    this.#digests.delete(snapshotId);
  }
}

async function digestsOf(scene: Watched, volumeId: string, snapshot: string): Promise<Map<string, string>> {
  const { legs } = await scene.api.get(`/v1/volumes/${volumeId}/snapshots/${snapshot}`, snapshotSchema);
  const paths = await keptPaths(scene.cluster.folders);
  const digests = new Map<string, string>();
  for (const { legId } of legs) {
    const path = paths.find((one) => filesOf(legId).some((file) => one.endsWith(file)));
    if (path === undefined) scene.tally.complain(`${legId} of ${snapshot} of ${volumeId} has no file`);
    else
      digests.set(
        legId,
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex'),
      );
  }
  return digests;
}

/** Where a pool keeps a leg, plain or compressed. */
const filesOf = (legId: string): string[] => [`/${legId}.raw`, `/${legId}.compressed/leg.raw`];
