import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openVolume } from '../load/numbered-writes.js';
import type { PlantedIo } from './guest.js';
import { endOf } from './subject.js';
import type { SoakScene, Subject } from './subject.js';

const ios = ['wrong-byte', 'failed-io'] as const satisfies readonly PlantedIo[];
/** A file, a process, a descriptor, a reservation. */
const leaks = ['leak', 'leaked-process', 'leaked-descriptor', 'leaked-reservation'] as const;

/** A fault put in on purpose, to show that it is found. */
export type Planted = (typeof plants)[number];
export type PlantedLeak = (typeof leaks)[number];
export const plants = [...ios, ...leaks] as const;

export const plantedIos = (planted: readonly Planted[]): PlantedIo[] => ios.filter((one) => planted.includes(one));
export const plantedLeaks = (planted: readonly Planted[]): PlantedLeak[] =>
  leaks.filter((one) => planted.includes(one));

/** What the books of a soak do not have: its reservations are held for nobody that a soak knows of. */
export const UNRECKONED_VOLUME = 'soak-unreckoned';

/** Lasts as long as whoever started it, as it reads what that never writes. */
const IDLE_PROGRAM = 'process.stdin.resume()';

/** Takes away again what was planted, as far as it is not the system's. */
export type Uproot = () => void;

type Plant = (scene: SoakScene, subject: Subject) => Promise<Uproot>;

const planting: Readonly<Record<PlantedLeak, Plant>> = {
  /** A file as a leg would leave it. */
  leak: async ({ cluster }) => {
    await writeFile(join(cluster.folders.pools, 'pool-1', 'leg-planted000.raw'), '');
    return () => undefined;
  },
  'leaked-process': async ({ cluster }) => {
    const place = join(cluster.folders.run, 'planted');
    const child = spawn(process.execPath, ['-e', IDLE_PROGRAM, place], { stdio: ['pipe', 'ignore', 'ignore'] });
    return () => void child.kill('SIGKILL');
  },
  /** In the data plane of a volume: a connection that nobody uses. */
  'leaked-descriptor': async ({ api }, { volume }) => {
    const { uri } = await api.volume(volume.volumeId);
    const client = await openVolume(String(uri));
    return () => client.close();
  },
  'leaked-reservation': async (scene, { volume }) => {
    const { cardId, sizeBytes } = volume;
    const spec = { name: UNRECKONED_VOLUME, sizeBytes, protocol: 'nbd', placement: { cardId } };
    const { change } = await scene.api.createVolume(spec);
    await endOf(scene, 'create', change);
    return () => undefined;
  },
};

/** Puts each of these in, beside the volume of `subject`. */
export async function plantLeaks(
  scene: SoakScene,
  subject: Subject | undefined,
  planted: readonly Planted[],
): Promise<Uproot> {
  const uproots: Uproot[] = [];
  for (const leak of plantedLeaks(planted)) {
    if (subject === undefined) throw new Error(`there is no volume to plant a ${leak} beside`);
    uproots.push(await planting[leak](scene, subject));
  }
  return () => {
    for (const uproot of uproots) uproot();
  };
}
