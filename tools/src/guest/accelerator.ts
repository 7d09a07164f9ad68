import { constants } from 'node:fs';
import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { GuestTools } from '@flexbso/testkit';
import { readIfThere } from '../files/read-if-there.js';
import type { Accelerator } from './emulator.js';
import { GuestVm } from './guest-vm.js';

/** Where KVM works, a guest is ready within 2 s; where it does not, it stands still or ends. */
const PROBE_DEADLINE_MS = 8000;

/**
 * What a guest is run by. /dev/kvm may be there and yet not boot an ordinary kernel (inside of other virtual
 * machines), so one is booted, once for each boot of this machine.
 */
export async function acceleratorOf(tools: GuestTools, initramfs: string): Promise<Accelerator> {
  if (!(await mayUseKvm())) return 'tcg';
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const record = join(tools.cache, `accelerator-${bootId}-${basename(initramfs, '.cpio')}`);
  const known = await readIfThere(record);
  if (known === 'kvm' || known === 'tcg') return known;
  const found = (await bootsUnderKvm(tools, initramfs, `${record}.console.${process.pid}`)) ? 'kvm' : 'tcg';
  await writeFile(record, found);
  return found;
}

async function mayUseKvm(): Promise<boolean> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    // Absent or not for this user: both mean that there is none to use.
    return false;
  }
}

async function bootsUnderKvm(tools: GuestTools, initramfs: string, consoleFile: string): Promise<boolean> {
  const machine = { tools, initramfs, accelerator: 'kvm', vhostSocket: null, imageFile: null, consoleFile } as const;
  try {
    await (await GuestVm.boot(machine, PROBE_DEADLINE_MS)).stop();
    return true;
  } catch {
    // Whatever the reason, emulation does without; its own failure is reported.
    return false;
  } finally {
    await rm(consoleFile, { force: true });
  }
}
