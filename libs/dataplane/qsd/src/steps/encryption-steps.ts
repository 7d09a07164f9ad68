import type { CardStep } from '@flexbso/contracts';
import type { DataPlaneError } from '@flexbso/dataplane-port';
import { refused } from '../errors.js';
import { headStack, isStackEncrypted, stackNodes, type Graph } from '../graph/graph.js';
import { luksNode, luksTrialNode, secretObject, wholeLuksNode } from '../graph/node-names.js';
import { LUKS_HEADER_BYTES, makeLuksHeader, passphraseOf } from '../luks/header.js';
import type { NbdClient } from '../nbd/nbd-client.js';
import { QmpCommandError } from '../qmp/errors.js';
import { nothing } from '../qmp/replies.js';
import { isAllZeros, readFirstBytes, withBytes, writeFirstBytes } from './first-bytes.js';
import { isShared, look, type StepScene } from './step-scene.js';

type Format = Extract<CardStep, { kind: 'format-encryption' }>;
type Open = Extract<CardStep, { kind: 'open-encryption' }>;

const LUKS_MAGIC = Buffer.from([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]);

/** Stands in the first block until the rest of the header is written, so that a format that was cut short is known as one. */
const unfinishedMark = (keyRef: string): Buffer => Buffer.from(`FLEXBSO UNFINISHED HEADER ${keyRef}\n`);

type LegContent = 'zeros' | 'unfinished' | 'luks' | 'other';

/** Writes the header onto the one leg of the stack. Never over anything that is not zeros. */
export async function formatEncryption(scene: StepScene, step: Format): Promise<void> {
  const graph = await look(scene);
  if (isStackEncrypted(graph, step.stackGeneration)) return;
  const leg = nodeToFormat(scene, graph, step);
  const content = await withBytes(scene, leg, (client) => contentOf(client, step.keyRef));
  if (content === 'other')
    throw refused(
      'step-failed',
      `${step.legIds.join()} does not read as zeros: it is not formatted, since that would destroy what it holds`,
    );
  if (content === 'luks') {
    if (await opensWithKey(scene, step, leg)) return;
    throw refused(
      'step-failed',
      `${step.legIds.join()} holds an encryption header that ${step.keyRef} does not open: it is not formatted again`,
    );
  }
  const key = await scene.context.secrets.volumeKey(step.keyRef);
  try {
    const header = makeLuksHeader(key);
    await withBytes(scene, leg, (client) => writeFirstBytes(client, unfinishedMark(step.keyRef), header));
  } finally {
    key.fill(0);
  }
}

export async function openEncryption(scene: StepScene, step: Open): Promise<void> {
  const graph = await look(scene);
  const name = luksNode(step.stackGeneration, step.keyRef);
  if (graph.nodes.has(name)) return;
  const beneath = beneathEncryption(graph, step.stackGeneration);
  try {
    if (await holdsMore(scene, graph, step, beneath)) await showPart(scene, step, name);
    else await addLuksNode(scene, step.keyRef, name, beneath, isShared(scene, step.stackGeneration));
  } catch (cause) {
    throw cause instanceof QmpCommandError ? notOpened(scene, graph, step, cause) : cause;
  }
}

/**
 * Whether encryption would show more bytes than the volume has: a growth that was taken back leaves its leg larger. Only
 * the layer itself tells, since the header may be of another size than those that are made here; it stays open if so.
 */
async function holdsMore(scene: StepScene, graph: Graph, step: Open, beneath: string): Promise<boolean> {
  const { stackGeneration, keyRef, sizeBytes } = step;
  const whole = wholeLuksNode(stackGeneration, keyRef);
  // Open already: an agent died here, and the volume may have another size by now.
  const isOpen = graph.nodes.has(whole);
  const isExact = sizeBytes !== undefined && graph.nodes.get(beneath)?.sizeBytes === sizeBytes + LUKS_HEADER_BYTES;
  if (sizeBytes === undefined || (isExact && !isOpen)) return false;
  if (!isOpen) await addLuksNode(scene, keyRef, whole, beneath, isShared(scene, stackGeneration));
  if (((await look(scene)).nodes.get(whole)?.sizeBytes ?? 0) > sizeBytes) return true;
  await scene.daemon.qmp.execute('blockdev-del', { 'node-name': whole }, nothing);
  return false;
}

/** Shows of an encryption layer that is open as much as the volume has. */
async function showPart(scene: StepScene, { stackGeneration, keyRef, sizeBytes }: Open, name: string): Promise<void> {
  const part = { ...overWhole(name, wholeLuksNode(stackGeneration, keyRef)), size: sizeBytes };
  const shared = isShared(scene, stackGeneration);
  await scene.daemon.qmp.execute('blockdev-add', { ...part, 'read-only': shared }, nothing);
}

/** Shows all that the encryption of a stack holds, so that its head can grow over it. */
export async function showWholeEncryption(scene: StepScene, graph: Graph, stackGeneration: number): Promise<void> {
  for (const { name, node } of stackNodes(graph, stackGeneration)) {
    if (node.kind !== 'luks') continue;
    const whole = wholeLuksNode(stackGeneration, node.keyRef);
    if (graph.nodes.has(whole))
      await scene.daemon.qmp.execute('blockdev-reopen', { options: [overWhole(name, whole)] }, nothing);
  }
}

const overWhole = (name: string, whole: string) => ({
  driver: 'raw',
  'node-name': name,
  file: whole,
  discard: 'unmap',
});

/** A key that is another's, or a header that is damaged: either way nothing was written, and nothing is made anew. */
function notOpened(scene: StepScene, graph: Graph, step: Open, cause: QmpCommandError): DataPlaneError {
  const legIds = stackNodes(graph, step.stackGeneration).flatMap(({ node }) =>
    node.kind === 'leg' ? [node.legId] : [],
  );
  return refused(
    'step-failed',
    `${step.keyRef} does not open the encryption of ${scene.volumeId} on ${legIds.join(', ')}: ${cause.description}. The header, the first ${LUKS_HEADER_BYTES} bytes of the leg, is damaged or another key's: put it back from a copy. Nothing was written to it`,
    { keyRef: step.keyRef, legIds },
  );
}

export async function closeEncryption(scene: StepScene, step: Open): Promise<void> {
  const graph = await look(scene);
  if (headStack(graph) === step.stackGeneration)
    throw refused('step-failed', `stack ${step.stackGeneration} carries the guest: its encryption is not closed`);
  for (const nameOf of [luksNode, wholeLuksNode]) {
    const name = nameOf(step.stackGeneration, step.keyRef);
    if (graph.nodes.has(name)) await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
  }
}

/** The daemon needs the passphrase while it opens the node and not after. */
async function addLuksNode(
  scene: StepScene,
  keyRef: string,
  name: string,
  leg: string,
  readOnly: boolean,
): Promise<void> {
  const { qmp } = scene.daemon;
  const id = secretObject(keyRef);
  if ((await look(scene)).objects.includes(id)) await qmp.execute('object-del', { id }, nothing);
  const key = await scene.context.secrets.volumeKey(keyRef);
  try {
    await qmp.execute('object-add', { 'qom-type': 'secret', id, data: passphraseOf(key) }, nothing);
  } finally {
    key.fill(0);
  }
  try {
    await qmp.execute(
      'blockdev-add',
      { driver: 'luks', 'node-name': name, file: leg, 'key-secret': id, discard: 'unmap', 'read-only': readOnly },
      nothing,
    );
  } finally {
    await qmp.execute('object-del', { id }, nothing);
  }
}

async function opensWithKey(scene: StepScene, step: Format, leg: string): Promise<boolean> {
  const name = luksTrialNode(step.stackGeneration, step.keyRef);
  try {
    await addLuksNode(scene, step.keyRef, name, leg, true);
  } catch (cause) {
    if (cause instanceof QmpCommandError) return false;
    throw cause;
  }
  await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
  return true;
}

function nodeToFormat(scene: StepScene, graph: Graph, step: Format): string {
  if (headStack(graph) === step.stackGeneration)
    throw refused(
      'step-failed',
      `stack ${step.stackGeneration} carries the guest of ${scene.volumeId}: nothing is formatted`,
    );
  const missing = step.legIds.find((legId) => !isLegOpen(graph, step.stackGeneration, legId));
  if (missing !== undefined)
    throw refused('step-failed', `${missing} is not open in stack ${step.stackGeneration}: it cannot be formatted`);
  return beneathEncryption(graph, step.stackGeneration);
}

const isLegOpen = (graph: Graph, stackGeneration: number, legId: string): boolean =>
  stackNodes(graph, stackGeneration).some(({ node }) => node.kind === 'leg' && node.legId === legId);

/** What the encryption of a stack stands on: the mirror over its legs, which gives all of them one header, or its one leg. */
export function beneathEncryption(graph: Graph, stackGeneration: number): string {
  const nodes = stackNodes(graph, stackGeneration);
  const mirror = nodes.find(({ node }) => node.kind === 'raid1');
  const legs = nodes.filter(({ node }) => node.kind === 'leg');
  const [leg] = legs;
  if (mirror !== undefined) return mirror.name;
  if (leg !== undefined && legs.length === 1) return leg.name;
  throw refused(
    'step-failed',
    `stack ${stackGeneration} has ${legs.length} open legs and no mirror over them: encryption stands on exactly one thing`,
  );
}

async function contentOf(client: NbdClient, keyRef: string): Promise<LegContent> {
  const bytes = await readFirstBytes(client);
  if (bytes.subarray(0, LUKS_MAGIC.length).equals(LUKS_MAGIC)) return 'luks';
  const mark = unfinishedMark(keyRef);
  if (bytes.subarray(0, mark.length).equals(mark)) return 'unfinished';
  return isAllZeros(bytes) ? 'zeros' : 'other';
}
