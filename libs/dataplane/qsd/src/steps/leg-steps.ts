import type { CardStep, LegAddress } from '@flexbso/contracts';
import { chown, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { giveToDataPlane } from '../daemon/daemon.js';
import { entriesOf } from '../daemon/processes.js';
import { addFileNode } from '../graph/file-node.js';
import { refused, unavailable } from '../errors.js';
import { headStack, stackNodes, type Graph } from '../graph/graph.js';
import { legFileNode, legNode, pskObject } from '../graph/node-names.js';
import { QmpCommandError } from '../qmp/errors.js';
import { nothing } from '../qmp/replies.js';
import { isAway, standIn } from './stand-in.js';
import { desiredLeg, isShared, look, type StepScene } from './step-scene.js';

type OpenLeg = Extract<CardStep, { kind: 'open-leg' }>;
type AddressOf<Kind extends LegAddress['kind']> = Extract<LegAddress, { kind: Kind }>;

/** Beyond what the daemon itself waits for a connection. */
const OPEN_MARGIN_MS = 5000;
/** How the daemon says that nobody answers; the second where it is not even refused, as of a machine that is off. */
const NOT_CONNECTED = /^(Failed to connect|Connection attempt cancelled by timeout)/;
/** Folders that carry a leg's key into a daemon, beside the daemons' own folders. */
const KEY_FOLDER_PREFIX = '.psk-';

export async function openLeg(scene: StepScene, step: OpenLeg): Promise<void> {
  const leg = desiredLeg(scene, step.legId);
  if (leg.epoch !== step.epoch)
    throw refused(
      'step-failed',
      `${step.legId} is wanted at epoch ${step.epoch}, and its pool serves epoch ${leg.epoch}: plan again`,
    );
  const name = legNode(step.stackGeneration, step.legId, step.epoch);
  const graph = await look(scene);
  const there = graph.nodes.get(name);
  if (there !== undefined) return assertSize(step, there.sizeBytes);
  try {
    if (leg.address.kind === 'file') await addFileLeg(scene, step, leg.address, graph);
    else await addRemoteLeg(scene, step, leg.address);
    assertSize(step, (await look(scene)).nodes.get(name)?.sizeBytes);
  } catch (cause) {
    await closeLeg(scene, step);
    if (!isAway(cause) || !(await standIn(scene, step))) throw cause;
  }
}

/** A pool that answers with another size serves another leg, or not the whole of this one. */
function assertSize(step: OpenLeg, foundBytes: number | undefined): void {
  if (foundBytes === step.sizeBytes) return;
  throw refused(
    'step-failed',
    `${step.legId} has ${foundBytes ?? 'no'} bytes where its pool serves it, and ${step.sizeBytes} are recorded: a leg of another size is not opened. Look at its file on its pool, and put the whole one back`,
    {
      legId: step.legId,
      expectedBytes: step.sizeBytes,
      foundBytes: foundBytes ?? null,
    },
  );
}

/** Takes the leg out again, unless it is part of the stack beneath the head. */
export async function closeLeg(scene: StepScene, step: OpenLeg): Promise<void> {
  const graph = await look(scene);
  const name = legNode(step.stackGeneration, step.legId, step.epoch);
  if (headStack(graph) === step.stackGeneration)
    throw refused('step-failed', `${step.legId} carries the guest of ${scene.volumeId} and is not closed`);
  for (const node of [name, legFileNode(step.stackGeneration, step.legId, step.epoch)])
    if (graph.nodes.has(node)) await scene.daemon.qmp.execute('blockdev-del', { 'node-name': node }, nothing);
  const credentials = pskObject(step.stackGeneration, step.legId);
  if (graph.objects.includes(credentials)) await scene.daemon.qmp.execute('object-del', { id: credentials }, nothing);
}

/**
 * A file that is larger than recorded is one of which the pool has finished a growth, and the card has not: the guest's
 * bytes are its first ones, and only these are shown until its head grows. How large it is tells the daemon alone, and
 * only once it is open: until that is seen it is no leg, whoever dies.
 */
async function addFileLeg(
  scene: StepScene,
  { stackGeneration, legId, epoch, sizeBytes }: OpenLeg,
  address: AddressOf<'file'>,
  graph: Graph,
): Promise<void> {
  const { qmp } = scene.daemon;
  const shared = isShared(scene, stackGeneration);
  const [name, file] = [legNode(stackGeneration, legId, epoch), legFileNode(stackGeneration, legId, epoch)];
  const add = (node: string) => addFileNode(qmp, node, address.path, address.buffered ?? false, shared);
  if (!graph.nodes.has(file)) await add(file);
  const foundBytes = (await look(scene)).nodes.get(file)?.sizeBytes ?? 0;
  if (foundBytes > sizeBytes) {
    const limited = { ...overFile(name, file), size: sizeBytes, 'read-only': shared };
    await qmp.execute('blockdev-add', limited, nothing);
    return;
  }
  await qmp.execute('blockdev-del', { 'node-name': file }, nothing);
  await add(name);
}

/** Shows all of the files of a stack, so that its head can grow over them. */
export async function showWholeFiles(scene: StepScene, graph: Graph, stackGeneration: number): Promise<void> {
  for (const { name, node } of stackNodes(graph, stackGeneration)) {
    if (node.kind !== 'leg') continue;
    const file = legFileNode(stackGeneration, node.legId, node.epoch);
    if (graph.nodes.has(file))
      await scene.daemon.qmp.execute('blockdev-reopen', { options: [overFile(name, file)] }, nothing);
  }
}

const overFile = (name: string, file: string) => ({ driver: 'raw', 'node-name': name, file, discard: 'unmap' });

async function addRemoteLeg(
  scene: StepScene,
  step: OpenLeg,
  address: Exclude<LegAddress, AddressOf<'file'>>,
): Promise<void> {
  if (address.kind === 'memory') throw refused('missing-capability', 'a leg in memory exists in simulations only');
  const { config, daemon } = scene;
  const credentials = await loadLegKey(scene, step);
  const adding = daemon.qmp.execute(
    'blockdev-add',
    {
      driver: 'nbd',
      'node-name': legNode(step.stackGeneration, step.legId, step.epoch),
      server: { type: 'inet', host: address.host, port: String(address.port) },
      export: address.exportName,
      'reconnect-delay': config.reconnectDelaySeconds,
      'open-timeout': config.openTimeoutSeconds,
      discard: 'unmap',
      'read-only': isShared(scene, step.stackGeneration),
      ...(credentials === null ? {} : { 'tls-creds': credentials }),
    },
    nothing,
    config.openTimeoutSeconds * 1000 + OPEN_MARGIN_MS,
  );
  await adding.catch((cause: unknown) => {
    if (!(cause instanceof QmpCommandError) || !NOT_CONNECTED.test(cause.description)) throw cause;
    throw unavailable(
      `${step.legId} cannot be reached at ${address.host}:${address.port}: ${cause.description}`,
      cause,
    );
  });
}

/** Loads the leg's pre-shared key into the daemon; null when the leg has none. The file that carries it is gone at once. */
async function loadLegKey(scene: StepScene, step: OpenLeg): Promise<string | null> {
  const access = await scene.context.secrets.legKey(step.legId);
  if (access === null) return null;
  const { dataPlaneUser, runDirectory } = scene.config;
  const id = pskObject(step.stackGeneration, step.legId);
  // A look back: a daemon whose agent died in between may hold them already, perhaps of an older epoch.
  if ((await look(scene)).objects.includes(id)) await scene.daemon.qmp.execute('object-del', { id }, nothing);
  // Not in the daemon's own directory, where a daemon that was taken over could lead it elsewhere. One that is there is
  // left over from an agent that died at this point.
  const directory = join(runDirectory, `${KEY_FOLDER_PREFIX}${scene.volumeId}`);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  try {
    const file = await open(join(directory, 'keys.psk'), 'wx', 0o600);
    try {
      await file.writeFile(`${access.identity}:${Buffer.from(access.key).toString('hex')}\n`);
    } finally {
      await file.close();
      access.key.fill(0);
    }
    if (dataPlaneUser !== null) await chown(join(directory, 'keys.psk'), dataPlaneUser.uid, dataPlaneUser.gid);
    await giveToDataPlane(directory, dataPlaneUser);
    await scene.daemon.qmp.execute(
      'object-add',
      { 'qom-type': 'tls-creds-psk', id, endpoint: 'client', dir: directory, username: access.identity },
      nothing,
    );
    return id;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Removes keys that an agent left behind when it died while it loaded them. Call it while no leg is being opened. */
export async function sweepLegKeys(runDirectory: string): Promise<void> {
  for (const name of await entriesOf(runDirectory)) {
    if (name.startsWith(KEY_FOLDER_PREFIX)) await rm(join(runDirectory, name), { recursive: true, force: true });
  }
}
