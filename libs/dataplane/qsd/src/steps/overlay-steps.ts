import type { CardStep } from '@flexbso/contracts';
import { refused } from '../errors.js';
import { baseOf, headChild, headStack, isStackEncrypted, stackNodes, stackTop, type Graph } from '../graph/graph.js';
import { BASES, baseNode, HEAD, LIMITS, overlayNode } from '../graph/node-names.js';
import { LUKS_HEADER_BYTES } from '../luks/header.js';
import type { NbdClient } from '../nbd/nbd-client.js';
import { isOverlay, makeOverlay } from '../overlay/qcow2.js';
import { QmpCommandError } from '../qmp/errors.js';
import { nothing } from '../qmp/replies.js';
import { beneathEncryption } from './encryption-steps.js';
import { isAllZeros, readFirstBytes, withBytes, writeFirstBytes } from './first-bytes.js';
import { isShared, look, type StepScene } from './step-scene.js';

type StepOf<Kind extends CardStep['kind']> = Extract<CardStep, { kind: Kind }>;

/** Stands in the first block until the rest is written, so that a format that was cut short is known as one. */
const unfinishedMark = (stackGeneration: number): Buffer =>
  Buffer.from(`FLEXBSO UNFINISHED OVERLAY ${stackGeneration}\n`);

/**
 * Writes an empty overlay's tables onto the stack. Never over anything that is not zeros; what is an overlay already, and may
 * hold a guest's writes, stays as it is.
 */
export async function formatOverlay(scene: StepScene, step: StepOf<'format-overlay'>): Promise<void> {
  const { stackGeneration } = step;
  const graph = await look(scene);
  if (graph.nodes.has(overlayNode(stackGeneration))) return;
  const top = topToFormat(scene, graph, step);
  const image = makeOverlay(step.sizeBytes);
  const mark = unfinishedMark(stackGeneration);
  const content = await withBytes(scene, top, (client) => contentOf(client, image, mark));
  if (content === 'overlay') return;
  if (content === 'other' && !(await isFreshBeneath(scene, graph, stackGeneration)))
    throw refused(
      'step-failed',
      `${step.legIds.join()} does not read as zeros: no overlay is made of it, since that would destroy what it holds`,
    );
  await withBytes(scene, top, (client) => writeFirstBytes(client, mark, image));
}

async function contentOf(client: NbdClient, image: Buffer, mark: Buffer): Promise<'overlay' | 'fresh' | 'other'> {
  const bytes = await readFirstBytes(client);
  if (isOverlay(bytes, image)) return 'overlay';
  return isAllZeros(bytes) || bytes.subarray(0, mark.length).equals(mark) ? 'fresh' : 'other';
}

/** What nobody wrote is zeros beneath an encryption layer, and anything above it. */
async function isFreshBeneath(scene: StepScene, graph: Graph, stackGeneration: number): Promise<boolean> {
  if (!isStackEncrypted(graph, stackGeneration)) return false;
  const beneath = beneathEncryption(graph, stackGeneration);
  return withBytes(
    scene,
    beneath,
    async (client) => isAllZeros(await readFirstBytes(client, LUKS_HEADER_BYTES)),
    false,
  );
}

function topToFormat(scene: StepScene, graph: Graph, { stackGeneration, legIds }: StepOf<'format-overlay'>): string {
  if (headStack(graph) === stackGeneration)
    throw refused(
      'step-failed',
      `stack ${stackGeneration} carries the guest of ${scene.volumeId}: nothing is formatted`,
    );
  const open = stackNodes(graph, stackGeneration).flatMap(({ node }) => (node.kind === 'leg' ? [node.legId] : []));
  const top = stackTop(graph, stackGeneration);
  const missing = legIds.find((legId) => !open.includes(legId));
  if (top !== null && missing === undefined) return top;
  throw refused(
    'step-failed',
    `${missing ?? legIds.join()} is not open in stack ${stackGeneration}: no overlay is made`,
  );
}

/**
 * Opens the overlay over its base. The filter between them limits nothing: a base right beneath an overlay cannot be the
 * target of a mirror (QEMU 10.0.2: "node is used as backing hd"), and writing an overlay back is such a mirror, since
 * `block-commit` does not write to both at once and leaves open which is current when the daemon dies in its pivot.
 */
export async function buildOverlay(scene: StepScene, step: StepOf<'build-overlay'>): Promise<void> {
  const { qmp } = scene.daemon;
  const { stackGeneration, baseStackGeneration } = step;
  const graph = await look(scene);
  const overlay = overlayNode(stackGeneration);
  if (graph.nodes.has(overlay)) return assertSameBase(graph, step);
  const [top, base] = [stackTop(graph, stackGeneration), stackTop(graph, baseStackGeneration)];
  if (top === null || base === null)
    throw refused(
      'step-failed',
      `stack ${top === null ? stackGeneration : baseStackGeneration} of ${scene.volumeId} is not open: the overlay is not built`,
    );
  if (!graph.objects.includes(BASES))
    await qmp.execute('object-add', { 'qom-type': 'throttle-group', id: BASES, limits: {} }, nothing);
  const between = baseNode(stackGeneration, baseStackGeneration);
  if (!graph.nodes.has(between)) {
    const filter = { driver: 'throttle', 'node-name': between, 'throttle-group': BASES, file: base };
    await qmp.execute('blockdev-add', { ...filter, 'read-only': true }, nothing);
  }
  const node = { driver: 'qcow2', 'node-name': overlay, file: top, backing: between, discard: 'unmap' };
  try {
    await qmp.execute('blockdev-add', { ...node, 'read-only': isShared(scene, stackGeneration) }, nothing);
  } catch (cause) {
    throw cause instanceof QmpCommandError ? unreadable(scene, graph, stackGeneration, cause) : cause;
  }
}

function unreadable(scene: StepScene, graph: Graph, stackGeneration: number, cause: QmpCommandError): Error {
  const legIds = stackNodes(graph, stackGeneration).flatMap(({ node }) => (node.kind === 'leg' ? [node.legId] : []));
  return refused(
    'step-failed',
    `the overlay of ${scene.volumeId} on ${legIds.join(', ')} does not open: ${cause.description}. Nothing was written; where its tables are damaged, put the beginning of the leg back from a copy`,
  );
}

function assertSameBase(graph: Graph, { stackGeneration, baseStackGeneration }: StepOf<'build-overlay'>): void {
  const base = baseOf(graph, stackGeneration);
  if (base !== baseStackGeneration)
    throw refused(
      'step-failed',
      `the overlay of stack ${stackGeneration} is open over stack ${base ?? 'none'}, and is wanted over ${baseStackGeneration}`,
    );
}

/** Takes overlay and filter away again, unless the overlay carries the guest. */
export async function removeOverlay(scene: StepScene, step: StepOf<'build-overlay'>): Promise<void> {
  const graph = await look(scene);
  if (headStack(graph) === step.stackGeneration)
    throw refused('step-failed', `stack ${step.stackGeneration} carries the guest: its overlay is not taken away`);
  for (const name of [overlayNode(step.stackGeneration), baseNode(step.stackGeneration, step.baseStackGeneration)])
    if (graph.nodes.has(name)) await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
}

/**
 * Puts the head onto the overlay over what it stands on. The daemon would put it anywhere (`blockdev-reopen` has no safety
 * net), so what lies beneath the overlay is looked at first. It lets the guest's requests end, moves the head, and goes on.
 */
export async function ontoOverlay(scene: StepScene, step: StepOf<'cut-over'>): Promise<void> {
  const { fromStackGeneration, toStackGeneration } = step;
  const graph = await look(scene);
  if (headStack(graph) === toStackGeneration) return;
  const [under] = graph.children.get(baseNode(toStackGeneration, fromStackGeneration)) ?? [];
  const isOnHead = under !== undefined && under === headChild(graph);
  if (!isOnHead || baseOf(graph, toStackGeneration) !== fromStackGeneration)
    throw refused(
      'needs-operator',
      `the head of ${scene.volumeId} is on ${headChild(graph) ?? 'nothing'}, and stack ${toStackGeneration} is no overlay on that: it is not cut over`,
    );
  const file = overlayNode(toStackGeneration);
  const head = { driver: 'throttle', 'node-name': HEAD, 'throttle-group': LIMITS, file };
  await scene.daemon.qmp.execute('blockdev-reopen', { options: [head] }, nothing);
  if (headStack(await look(scene)) !== toStackGeneration)
    throw refused('step-failed', `the head of ${scene.volumeId} did not move to stack ${toStackGeneration}`);
}
