import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Volume } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { until } from '../api/until.js';
import { GuestTarget } from '../guest/guest-target.js';
import { startGuest } from '../guest/start-guest.js';
import { NbdTarget } from '../load/nbd-target.js';
import type { LoadTarget } from '../load/target.js';
import type { DemoClient } from './changes.js';

const run = promisify(execFile);
/** A volume that is away for a minute does not come back. */
const AWAY_DEADLINE_MS = 60_000;
const READ_ONE_BLOCK = 'dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct';

/** Who uses the volume while it is changed; `stop` detaches it, which a volume's deletion needs. */
export interface Attached {
  readonly target: LoadTarget;
  /** One I/O of an idle client; resolves when it is done, however long the volume is away. */
  oneIo(): Promise<void>;
  /** What a client does before it goes on after its volume lost its data plane. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** Before anything is started. @throws where this machine cannot run such a client */
export function requireClient(client: DemoClient): void {
  if (client === 'guest' && installedTools().guest === null)
    throw new Error(`a guest needs an x86-64 machine, this one is ${process.arch}: use --client nbd`);
}

/** Attaches a client to a volume by the address that the volume says. Logs are written below `folder`. */
export async function attach(client: DemoClient, volume: Volume, folder: string): Promise<Attached> {
  const { uri, sizeBytes } = volume;
  if (uri === null) throw new Error(`volume ${volume.volumeId} is settled and has no address`);
  const tools = installedTools();
  const options = { fioPath: tools.fio, folder: join(folder, 'load') };
  if (client === 'nbd')
    return {
      target: new NbdTarget({ ...options, qemuImgPath: tools.qemuImg, uri, sizeBytes }),
      oneIo: () => until('the volume answers', AWAY_DEADLINE_MS, () => answers(tools.qemuImg, uri)),
      reset: async () => undefined,
      stop: async () => undefined,
    };
  if (tools.guest === null) throw new Error('there are no tools for a guest on this machine');
  const guest = await startGuest({ ...options, tools: tools.guest, vhostSocket: uri.replace(/^vhost-user:/, '') });
  return {
    target: await GuestTarget.of(guest),
    oneIo: async () => void (await guest.run(READ_ONE_BLOCK, AWAY_DEADLINE_MS)),
    reset: () => guest.resetVolume(),
    stop: () => guest.stop(),
  };
}

/** Connects anew, as a client does that lost its connection, and reads the size. */
async function answers(qemuImg: string, uri: string): Promise<boolean> {
  const [answer] = await Promise.allSettled([run(qemuImg, ['info', uri])]);
  return answer.status === 'fulfilled';
}
