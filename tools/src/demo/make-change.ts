import { cardSnapshotSchema, poolSnapshotSchema } from '@flexbso/contracts';
import type { Change } from '@flexbso/contracts';
import { z } from 'zod';
import { ApiClient, ApiError } from '../api/client.js';
import { until } from '../api/until.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Made } from '../load/change-under-load.js';
import type { ChangeScene, DemoChange } from './changes.js';

/** A change of some hundred MiB takes seconds, beneath an emulated guest some ten; two minutes mean that it hangs. */
const CHANGE_DEADLINE_MS = 120_000;
/** Connections come back within 2 s, a beat is 5 s. */
const WHOLE_DEADLINE_MS = 60_000;

/** Makes one change of the demo and waits until it is through. */
export async function makeChange(change: DemoChange, volumeId: string, cluster: Cluster): Promise<Made> {
  const api = new ApiClient(cluster.address);
  if ('restart' in change) return restarted(cluster, api, change.restart, volumeId);
  const begun = await begunBy(change, { cluster, api, volumeId });
  const { steps, bytesCopied, traceId } = await completed(api, begun);
  return { steps: steps.length, bytesCopied, traceId };
}

async function begunBy(change: Exclude<DemoChange, { restart: string }>, scene: ChangeScene): Promise<Change> {
  const { api, volumeId } = scene;
  if ('cause' in change) return change.cause(scene);
  return ('patch' in change ? await api.changeVolume(volumeId, change.patch) : await change.ask(api, volumeId)).change;
}

/** Waits until a change has settled; throws, with the reason, when it ended in any other way. */
export async function completed(api: ApiClient, change: Change): Promise<Change> {
  const ended = await api.ended(change.changeId, CHANGE_DEADLINE_MS);
  if (ended.state !== 'settled')
    throw new Error(`change ${ended.changeId} ended as ${ended.state}: ${ended.problem?.detail ?? 'without a reason'}`);
  return ended;
}

const snapshots = z.object({ items: z.array(z.union([cardSnapshotSchema, poolSnapshotSchema])) });

/** Ends a process, starts it again, and waits until the system is whole: every agent is heard anew, the scheduler answers. */
async function restarted(cluster: Cluster, api: ApiClient, name: string, volumeId: string): Promise<Made> {
  await cluster.kill(name, 'SIGTERM');
  await cluster.restart(name);
  const startedAtMs = Date.now();
  await until(`every agent is heard and volumes are told after the restart of ${name}`, WHOLE_DEADLINE_MS, () =>
    answers(async () => {
      await api.volume(volumeId);
      const [cards, pools] = await Promise.all([api.get('/v1/cards', snapshots), api.get('/v1/pools', snapshots)]);
      return [...cards.items, ...pools.items].every(
        ({ state, lastHeardAtMs }) => state === 'ready' && lastHeardAtMs >= startedAtMs,
      );
    }),
  );
  return { steps: 0, bytesCopied: 0, traceId: null };
}

/** While a process is away, the gateway says that it cannot ask. Anything else is no answer to be waited for. */
async function answers(ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.status >= 500) return false;
    throw error;
  }
}
