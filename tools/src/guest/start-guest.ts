import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestTools } from '@flexbso/testkit';
import { acceleratorOf } from './accelerator.js';
import { GuestVm } from './guest-vm.js';
import { guestImage } from './image.js';

export interface GuestOptions {
  readonly tools: GuestTools;
  /** This machine's fio, which the guest runs too. */
  readonly fioPath: string;
  /** Where a card serves the volume over vhost-user. */
  readonly vhostSocket: string;
  /** Made; the console's log stays in it. */
  readonly folder: string;
}

/** Ready within 3 to 10 s without KVM; a minute is a hang, however busy the machine. */
const BOOT_DEADLINE_MS = 60_000;
/** Sparse, and larger than any volume that a guest is tried with. */
const IMAGE_BYTES = 16 * 1024 ** 3;

/** Boots a guest on a volume and waits until it takes commands; under KVM where this machine's KVM boots one. */
export async function startGuest({ tools, fioPath, vhostSocket, folder }: GuestOptions): Promise<GuestVm> {
  const initramfs = await guestImage(tools, fioPath);
  const accelerator = await acceleratorOf(tools, initramfs);
  await mkdir(folder, { recursive: true });
  const imageFile = join(folder, 'volume-image.raw');
  await writeFile(imageFile, '');
  await truncate(imageFile, IMAGE_BYTES);
  const consoleFile = join(folder, 'console.log');
  return GuestVm.boot({ tools, initramfs, accelerator, vhostSocket, consoleFile, imageFile }, BOOT_DEADLINE_MS);
}
