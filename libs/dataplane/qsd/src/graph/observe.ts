import type { Layer, ObservedCopy, ObservedStack, ObservedVolume } from '@flexbso/contracts';
import { sameLimits, widenedLimits } from '@flexbso/stack';
import { baseOf, type CopyJob, copyJobOf, headStack, isHeld, openStacks, stackNodes, type Graph } from './graph.js';
import { HEAD, parseVolumeExport } from './node-names.js';
import { fromThrottleLimits } from './throttle-limits.js';

/** The only cipher that the driver opens and writes. */
const encryptionLayer: Layer = { kind: 'encryption', cipher: 'aes-xts-256' };

export function notRunning(volumeId: string): ObservedVolume {
  return { volumeId, running: false, head: null, stacks: [], copy: null, exports: [] };
}

/** What the daemon's graph says of its volume. `uriOf` names how a client reaches an export. */
export function observedOf(
  volumeId: string,
  graph: Graph,
  uriOf: (protocol: 'nbd' | 'virtio-blk') => string,
): ObservedVolume {
  const exports = graph.exports.flatMap((id) => {
    const parsed = parseVolumeExport(id);
    return parsed === null ? [] : [{ ...parsed, uri: uriOf(parsed.protocol) }];
  });
  return {
    volumeId,
    running: true,
    head: observedHead(graph),
    stacks: openStacks(graph).map((stackGeneration) => observedStack(graph, stackGeneration)),
    copy: observedCopy(graph),
    exports,
  };
}

function observedHead(graph: Graph): ObservedVolume['head'] {
  const head = graph.nodes.get(HEAD);
  const stackGeneration = headStack(graph);
  if (head === undefined || stackGeneration === null) return null;
  const limits = graph.tenantLimits ?? graph.limits;
  return {
    sizeBytes: head.sizeBytes,
    qos: limits === null ? null : fromThrottleLimits(limits),
    widened: isWidened(graph),
    stackGeneration,
  };
}

/** Told by what is in force: the tenant's numbers are noted before they are widened, and an agent may die in between. */
function isWidened({ limits, tenantLimits }: Graph): boolean {
  if (limits === null || tenantLimits === null) return false;
  const own = fromThrottleLimits(tenantLimits);
  // Limits on writes alone have no room for a copy: with them noted all is done.
  const hasRoom = own !== null && !sameLimits(widenedLimits(own, 1), own);
  return !hasRoom || !sameLimits(fromThrottleLimits(limits), own);
}

function observedStack(graph: Graph, stackGeneration: number): ObservedStack {
  const legs: ObservedStack['legs'] = [];
  const layers: Layer[] = [];
  let keyRef: string | null = null;
  let windowBytes: number | undefined;
  for (const { name, node } of stackNodes(graph, stackGeneration)) {
    if (node.kind === 'window') windowBytes = graph.nodes.get(name)?.sizeBytes;
    if (node.kind === 'leg') legs.push({ legId: node.legId, epoch: node.epoch });
    if (node.kind === 'luks') {
      keyRef = node.keyRef;
      layers.push(encryptionLayer);
    }
    if (node.kind === 'raid1') layers.push(node.layer);
  }
  legs.sort((one, other) => one.legId.localeCompare(other.legId));
  const base = baseOf(graph, stackGeneration);
  return {
    stackGeneration,
    legs,
    layers,
    keyRef,
    ...(windowBytes === undefined ? {} : { windowBytes }),
    ...(base === null ? {} : { baseStackGeneration: base }),
  };
}

/** Where a copy stands: the job's state together with what is beneath the head. */
export function observedCopy(graph: Graph): ObservedCopy | null {
  const copy = copyJobOf(graph);
  if (copy === null) return null;
  const { job, toStackGeneration } = copy;
  return {
    toStackGeneration,
    state: copyState(copy, headStack(graph) === toStackGeneration, isHeld(graph)),
    doneBytes: Math.trunc(job['current-progress']),
    totalBytes: Math.trunc(job['total-progress']),
    error: job.error?.slice(0, 500) ?? null,
  };
}

function copyState(
  { job: { status, error }, phase, isSame }: CopyJob,
  isHeadOnNew: boolean,
  isDoubtful: boolean,
): ObservedCopy['state'] {
  if (status === 'concluded') {
    if (error !== undefined) return isHeadOnNew ? 'in-transition' : 'failed';
    return isHeadOnNew ? 'done' : 'in-transition';
  }
  if (isHeadOnNew) return 'in-transition';
  if (isDoubtful) return 'running';
  if (isSame) return 'ready';
  // The daemon says ready once, whatever the guest writes afterwards; in step it will be the same again, or fail.
  if (status === 'ready') return phase === 'in-step' ? 'in-transition' : 'running';
  return status === 'running' || status === 'created' || status === 'paused' ? 'running' : 'in-transition';
}
