import { join } from 'node:path';
import type { Volume } from '@flexbso/contracts';
import { installedTools } from '@flexbso/testkit';
import { GuestTarget } from '../guest/guest-target.js';
import { startGuest } from '../guest/start-guest.js';
import { NbdTarget } from '../load/nbd-target.js';
import type { LoadTarget } from '../load/target.js';
import type { DemoClient } from './changes.js';

/** Who uses the volume while it is changed; `stop` detaches it, which a volume's deletion needs. */
export interface Attached {
  readonly target: LoadTarget;
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
      stop: async () => undefined,
    };
  if (tools.guest === null) throw new Error('there are no tools for a guest on this machine');
  const guest = await startGuest({ ...options, tools: tools.guest, vhostSocket: uri.replace(/^vhost-user:/, '') });
  return { target: await GuestTarget.of(guest), stop: () => guest.stop() };
}
