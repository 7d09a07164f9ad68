import { setTimeout as delay } from 'node:timers/promises';
import { checkReportSchema, volumeSchema } from '@flexbso/contracts';
import type { CheckReport, Volume } from '@flexbso/contracts';
import { z } from 'zod';
import { until } from '../api/until.js';
import { forEachInLanes } from './lanes.js';
import { descriptorsByProgram, idsOf, keptPaths, strayFiles, strayProcesses, strayReservations } from './leaks.js';
import { plantedIos, plantLeaks, UNRECKONED_VOLUME } from './plants.js';
import type { Planted } from './plants.js';
import { deleteSnapshots } from './snapshots.js';
import { CHANGE_DEADLINE_MS, changed, end, planeDescriptors } from './subject.js';
import type { SoakScene, Subject } from './subject.js';
import type { Leaks } from './tally.js';

const LOOK_AGAIN_MS = 500;

/** What there was before the first volume. */
export interface Before {
  readonly paths: ReadonlySet<string>;
  /** By program. */
  readonly descriptors: ReadonlyMap<string, number>;
}

/** One line for each thing that leaked. */
type Leaked = Readonly<Record<keyof Leaks, readonly string[]>>;
const nothing: Leaked = { files: [], processes: [], descriptors: [], reservations: [] };

export async function lookBefore({ cluster }: SoakScene): Promise<Before> {
  const descriptors = descriptorsByProgram(cluster.processes);
  return { paths: new Set(await keptPaths(cluster.folders)), descriptors };
}

/**
 * Waits until everything has settled, has every volume go back to the stack that it began on, reads all of it, and
 * counts what is left over: beside the volumes, and once more when all are deleted.
 */
export async function endAll(
  scene: SoakScene,
  subjects: readonly (Subject | null)[],
  before: Before,
  planted: readonly Planted[],
): Promise<Leaks> {
  const there = subjects.filter((subject) => subject !== null);
  await settled(scene);
  await forEachInLanes(there, (subject) => backToBeginning(scene, subject));
  await settled(scene);
  await stopGuests(there, planted);
  await complainOfBadLegs(scene);
  const uproot = await plantLeaks(scene, there[0], planted);
  try {
    const beside = await leftBeside(scene, there, before);
    await forEachInLanes(await volumesOf(scene), ({ volumeId }) => end(scene, volumeId));
    await settled(scene);
    const after = await leftAfter(scene, before, beside);
    return told(scene, [beside, after]);
  } finally {
    uproot();
  }
}

/** Nothing is under way, and every card and pool observes what is recorded. */
async function settled({ api, tally }: SoakScene): Promise<void> {
  let report: CheckReport | null = null;
  const isSettled = async (): Promise<boolean> => {
    report = await api.get('/v1/check', checkReportSchema);
    if (report.underWay + report.differenceCount === 0) return true;
    await delay(LOOK_AGAIN_MS);
    return false;
  };
  try {
    await until('everything has settled', CHANGE_DEADLINE_MS, isSettled);
  } catch (error) {
    tally.complain(`${error instanceof Error ? error.message : String(error)}: ${JSON.stringify(report)}`);
  }
}

/** Nothing that was done here makes a leg bad. */
async function complainOfBadLegs(scene: SoakScene): Promise<void> {
  for (const { volumeId, degraded, legFaults } of await volumesOf(scene))
    if (degraded !== null || legFaults.length > 0)
      scene.tally.complain(`${volumeId} has bad legs: ${JSON.stringify(legFaults)}`);
}

async function stopGuests(subjects: readonly Subject[], planted: readonly Planted[]): Promise<void> {
  const faults = plantedIos(planted);
  for (const [index, { guest }] of subjects.entries()) await guest.stop(index === 0 ? faults : []);
}

/** The same stack has the same files and sockets open, however many stacks were there in between. */
async function backToBeginning(scene: SoakScene, subject: Subject): Promise<void> {
  const { volume, beginning } = subject;
  await deleteSnapshots(scene, subject);
  const now = await scene.api.volume(volume.volumeId);
  await changed(scene, 'back to its first stack', now, beginning.patch);
}

async function volumesOf({ api }: SoakScene): Promise<Volume[]> {
  return (await api.get('/v1/volumes', z.object({ items: z.array(volumeSchema) }))).items;
}

async function leftBeside(scene: SoakScene, subjects: readonly Subject[], before: Before): Promise<Leaked> {
  const volumes = await volumesOf(scene);
  const descriptors: string[] = [];
  for (const { volume, beginning } of subjects) {
    const open = await planeDescriptors(scene.cluster, volumes.find(isThat(volume)) ?? volume);
    descriptors.push(...oneEach(`data planes of ${volume.volumeId}`, beginning.descriptors, open));
  }
  return { ...(await leftOver(scene, volumes, before, nothing)), descriptors };
}

const isThat =
  ({ volumeId }: Volume) =>
  (other: Volume): boolean =>
    other.volumeId === volumeId;

/** `found`: what leaked before; it is not waited for again. */
async function leftAfter(scene: SoakScene, before: Before, found: Leaked): Promise<Leaked> {
  const { cluster } = scene;
  const descriptors = await leastOf(scene.leftoverMs, async () =>
    [...descriptorsByProgram(cluster.processes)].flatMap(([program, open]) =>
      oneEach(program, before.descriptors.get(program) ?? 0, open),
    ),
  );
  return { ...(await leftOver(scene, [], before, found)), descriptors };
}

async function leftOver(
  { cluster, api, leftoverMs }: SoakScene,
  volumes: readonly Volume[],
  before: Before,
  found: Leaked,
): Promise<Omit<Leaked, 'descriptors'>> {
  const known = idsOf(volumes);
  const reckoned = volumes.filter(({ name }) => name !== UNRECKONED_VOLUME);
  return {
    files: await leastOf(
      leftoverMs,
      async () => strayFiles(await keptPaths(cluster.folders), before.paths, known),
      found.files,
    ),
    processes: await leastOf(
      leftoverMs,
      async () => strayProcesses(cluster, volumes).map(({ pid }) => `process ${pid}`),
      found.processes,
    ),
    reservations: await leastOf(leftoverMs, () => strayReservations(cluster, api, reckoned), found.reservations),
  };
}

/** What is there still when the deadline is over; what goes before is no leak. */
async function leastOf(
  withinMs: number,
  look: () => Promise<readonly string[]>,
  known: readonly string[] = [],
): Promise<readonly string[]> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const found = (await look()).filter((one) => !known.includes(one));
    if (found.length === 0 || Date.now() > endMs) return found;
    await delay(LOOK_AGAIN_MS);
  }
}

/** One line for each descriptor more than there were. */
function oneEach(of: string, before: number, now: number): string[] {
  return Array.from(
    { length: Math.max(0, now - before) },
    () => `${of} has ${now} descriptors open, and had ${before} at first`,
  );
}

/** What is found again at the second look was not looked for there. */
function told({ tally }: SoakScene, looks: readonly Leaked[]): Leaks {
  const counts = { files: 0, processes: 0, descriptors: 0, reservations: 0 };
  for (const kind of ['files', 'processes', 'descriptors', 'reservations'] as const) {
    const lines = looks.flatMap((look) => look[kind]);
    counts[kind] = lines.length;
    for (const line of new Set(lines)) tally.complain(`left over (${kind}): ${line}`);
  }
  return counts;
}
