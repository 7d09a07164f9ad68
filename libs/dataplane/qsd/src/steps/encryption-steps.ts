import type { CardStep } from '@flexbso/contracts';
import type { DataPlaneError } from '@flexbso/dataplane-port';
import { refused } from '../errors.js';
import { headStack, isStackEncrypted, stackNodes, type Graph } from '../graph/graph.js';
import { luksNode, luksTrialNode, secretObject } from '../graph/node-names.js';
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
    await addLuksNode(scene, step.keyRef, name, beneath, isShared(scene, step.stackGeneration));
  } catch (cause) {
    throw cause instanceof QmpCommandError ? notOpened(scene, graph, step, cause) : cause;
  }
}

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
  const name = luksNode(step.stackGeneration, step.keyRef);
  if (graph.nodes.has(name)) await scene.daemon.qmp.execute('blockdev-del', { 'node-name': name }, nothing);
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
