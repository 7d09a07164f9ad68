import { setTimeout as sleep } from 'node:timers/promises';
import { headChild, type Graph } from '../graph/graph.js';
import { HEAD, HELD, LIMITS } from '../graph/node-names.js';
import { toThrottleLimits } from '../graph/throttle-limits.js';
import type { NbdClient } from '../nbd/nbd-client.js';
import { nothing } from '../qmp/replies.js';
import { awaitEarlierRequests } from './earlier-requests.js';
import { withBytes } from './first-bytes.js';
import type { StepScene, VolumeScene } from './step-scene.js';

/** A read of our own uses up what the group lets through: so many operations of one unit, at so many a second. */
const OPERATIONS_PER_SECOND = 1000;
const UNIT_BYTES = 256;
const READ_BYTES = 1024 ** 2;
/** Four seconds. Then the guest goes on by itself, slowly, whatever has become of us. */
const LASTS_MS = (1000 * READ_BYTES) / UNIT_BYTES / OPERATIONS_PER_SECOND;
/** For a request over a socket to be heard. */
const HEARD_MS = 5;
/** What is done meanwhile has to be over by then. */
export const HELD_MS = LASTS_MS - 1000;

/**
 * Lets no request of the guest through while `act` runs, for at most {@link HELD_MS}; those that come are held, and done
 * afterwards. When `act` begins, all that came before is done, for which a slow disk may have taken some of that time:
 * `act` is told until when it may rely on it (`performance.now`). Where it fails the guest stays held, as a sign that
 * what it began is in doubt: whoever calls ends that and lets the guest go.
 */
export function whileHeld<T>(scene: StepScene, graph: Graph, act: (heldUntilMs: number) => Promise<T>): Promise<T> {
  const limits = { ...toThrottleLimits({ iopsTotal: OPERATIONS_PER_SECOND }), 'iops-size': UNIT_BYTES };
  // Not writable: the guest writes there.
  return withBytes(
    scene,
    HEAD,
    async (client) => {
      await scene.daemon.qmp.execute('object-add', { 'qom-type': 'throttle-group', id: HELD, limits }, nothing);
      await obey(scene, graph, HELD);
      // What is used up comes back from the moment on in which it is used.
      const heldUntilMs = performance.now() + HELD_MS;
      await useUp(scene, client);
      const result = await act(heldUntilMs);
      await release(scene, graph);
      return result;
    },
    false,
  );
}

/** Lets requests through again; that the guest was held is still to be seen. */
export async function letThrough(scene: VolumeScene, graph: Graph): Promise<void> {
  if (graph.nodes.has(HEAD)) await obey(scene, graph, LIMITS);
}

export async function release(scene: VolumeScene, graph: Graph): Promise<void> {
  await letThrough(scene, graph);
  await scene.daemon.qmp.execute('object-del', { id: HELD }, nothing);
}

async function obey({ daemon }: VolumeScene, graph: Graph, group: string): Promise<void> {
  const head = { driver: 'throttle', 'node-name': HEAD, 'throttle-group': group, file: headChild(graph) };
  await daemon.qmp.execute('blockdev-reopen', { options: [head] }, nothing);
}

/**
 * A group that is new lets one request through. So we ask for one, and then have the daemon do all that waits, ours and
 * the guest's: that counts as well, and more than ours alone.
 */
async function useUp({ daemon }: StepScene, client: NbdClient): Promise<void> {
  const read = client.read(0, READ_BYTES).then(() => true);
  // In between the daemon must come to hear of it: it hears nothing while it is drained.
  while (!(await Promise.race([read, sleep(HEARD_MS, false)]))) await awaitEarlierRequests(daemon);
  // One of the guest's may have gone before ours.
  await awaitEarlierRequests(daemon);
}
