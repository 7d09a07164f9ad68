import type { CardStep } from '@flexbso/contracts';
import { sameLimits, widenedLimits } from '@flexbso/stack';
import { refused } from '../errors.js';
import { headStack, isBeneathHead, isExported, objectNames, stackNodes, stackTop, type Graph } from '../graph/graph.js';
import { formatExport, HEAD, HELD, LIMITS, pskObject, TENANT_LIMITS } from '../graph/node-names.js';
import { fromThrottleLimits, toThrottleLimits } from '../graph/throttle-limits.js';
import { nothing } from '../qmp/replies.js';
import { endCopyFor } from './copy-steps.js';
import { removeExport } from './export-steps.js';
import { look, type StepScene } from './step-scene.js';

type StepOf<Kind extends CardStep['kind']> = Extract<CardStep, { kind: Kind }>;

export async function buildHead(scene: StepScene, step: StepOf<'build-head'>): Promise<void> {
  const { qmp } = scene.daemon;
  const graph = await look(scene);
  const there = graph.nodes.get(HEAD);
  if (there !== undefined) return assertSameHead(graph, there.sizeBytes, step);
  const top = stackTop(graph, step.stackGeneration);
  const sizeBytes = top === null ? undefined : graph.nodes.get(top)?.sizeBytes;
  if (top === null || sizeBytes !== step.sizeBytes) {
    throw refused(
      'step-failed',
      `the stack of generation ${step.stackGeneration} has ${sizeBytes ?? 'no'} bytes, and the volume ${step.sizeBytes}: its head is not built`,
    );
  }
  const limits = toThrottleLimits(step.qos);
  // Left of an agent that died while it took a head away: they are another head's.
  if (graph.tenantLimits !== null) await qmp.execute('object-del', { id: TENANT_LIMITS }, nothing);
  if (graph.limits === null)
    await qmp.execute('object-add', { 'qom-type': 'throttle-group', id: LIMITS, limits }, nothing);
  else await qmp.execute('qom-set', { path: `/objects/${LIMITS}`, property: 'limits', value: limits }, nothing);
  await qmp.execute(
    'blockdev-add',
    { driver: 'throttle', 'node-name': HEAD, 'throttle-group': LIMITS, file: top },
    nothing,
  );
}

function assertSameHead(graph: Graph, sizeBytes: number, step: StepOf<'build-head'>): void {
  const stackGeneration = headStack(graph);
  if (stackGeneration === step.stackGeneration && sizeBytes === step.sizeBytes) return;
  throw refused(
    'step-failed',
    `a head of ${sizeBytes} bytes on stack ${stackGeneration} is there already: a head is changed, never built twice`,
  );
}

export async function removeHead(scene: StepScene): Promise<void> {
  const { qmp } = scene.daemon;
  const graph = await look(scene);
  if (isExported(graph))
    throw refused('step-failed', `${scene.volumeId} is still exported: its head is not taken away`);
  // Left of an agent that died while it held the guest.
  await removeExport(scene.daemon, formatExport(HEAD));
  if (graph.nodes.has(HEAD)) await qmp.execute('blockdev-del', { 'node-name': HEAD }, nothing);
  for (const id of [LIMITS, TENANT_LIMITS, HELD]) {
    if (graph.objects.includes(id)) await qmp.execute('object-del', { id }, nothing);
  }
}

/** Sets the tenant's limits; whatever a copy had widened is over. Looks at the groups alone: a tenant waits for this. */
export async function setLimits(scene: StepScene, to: StepOf<'set-limits'>['to']): Promise<void> {
  const { qmp } = scene.daemon;
  const value = toThrottleLimits(to);
  // Sent together: what is there decides only what a failure means, and what is to be cleared afterwards.
  const [names, set] = await Promise.allSettled([
    objectNames(qmp),
    qmp.execute('qom-set', { path: `/objects/${LIMITS}`, property: 'limits', value }, nothing),
  ]);
  if (names.status === 'rejected') throw names.reason;
  const objects = names.value;
  if (!objects.includes(LIMITS)) throw refused('step-failed', `${scene.volumeId} has no head that could be limited`);
  if (set.status === 'rejected') throw set.reason;
  // Last: while it is there and tells other numbers, the limits count as widened and are restored by whoever looks.
  if (objects.includes(TENANT_LIMITS)) await qmp.execute('object-del', { id: TENANT_LIMITS }, nothing);
}

/** Also of limits that are widened already: then for another tenant's numbers. */
export async function widenLimits(scene: StepScene, step: StepOf<'widen-limits'>): Promise<void> {
  const { qmp } = scene.daemon;
  const graph = await look(scene);
  if (graph.limits === null)
    throw refused('step-failed', `${scene.volumeId} has no head whose limits could be widened`);
  const noted = fromThrottleLimits(graph.tenantLimits ?? graph.limits);
  // First, and as they are in force: from here on a look at the daemon tells the tenant's own numbers.
  if (graph.tenantLimits === null) {
    const limits = toThrottleLimits(noted);
    await qmp.execute('object-add', { 'qom-type': 'throttle-group', id: TENANT_LIMITS, limits }, nothing);
  }
  await setGroup(scene, LIMITS, toThrottleLimits(widenedLimits(step.from, step.copyBytesPerSecond)));
  // Last: until then a look tells the former numbers, and whoever looks widens once more.
  if (!sameLimits(noted, step.from)) await setGroup(scene, TENANT_LIMITS, toThrottleLimits(step.from));
}

async function setGroup({ daemon }: StepScene, id: string, value: object): Promise<void> {
  await daemon.qmp.execute('qom-set', { path: `/objects/${id}`, property: 'limits', value }, nothing);
}

/** Only where nothing was widened any more is there nothing to restore. */
export async function undoWidening(scene: StepScene, step: StepOf<'widen-limits'>): Promise<void> {
  if ((await look(scene)).tenantLimits !== null) await setLimits(scene, step.from);
}

/** Closes every node of a stack that the head does not use, and lets go of what is left of a copy into it. */
export async function closeStack(scene: StepScene, step: StepOf<'close-stack'>): Promise<void> {
  const { qmp } = scene.daemon;
  if (headStack(await look(scene)) === step.stackGeneration)
    throw refused(
      'step-failed',
      `stack ${step.stackGeneration} is beneath the head of ${scene.volumeId} and is not closed`,
    );
  await endCopyFor(scene, step.stackGeneration);
  const graph = await look(scene);
  // What overlays beneath the head lie on stays open; a copy into it is over now.
  if (isBeneathHead(graph, step.stackGeneration)) return;
  for (const { name } of stackNodes(graph, step.stackGeneration)) {
    await removeExport(scene.daemon, formatExport(name));
    await qmp.execute('blockdev-del', { 'node-name': name }, nothing);
  }
  const credentials = pskObject(step.stackGeneration, '');
  for (const id of graph.objects.filter((name) => name.startsWith(credentials)))
    await qmp.execute('object-del', { id }, nothing);
}
