import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, installedTools } from '@flexbso/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawQmp } from '../bench/raw-qmp.js';
import { BlockLedger } from '../load/block-ledger.js';
import { RunningLoad, failOneIo, fillVolume, plantWrongByte, readWholeVolume } from '../load/fio.js';
import { checkWholeVolume } from '../load/volume-image.js';
import { GuestTarget } from './guest-target.js';
import type { GuestVm } from './guest-vm.js';
import { startGuest } from './start-guest.js';

const MiB = 1024 ** 2;
/** A boot without KVM on two busy cores. */
const START_MS = 120_000;
const tools = installedTools();

let folder: string;
let daemon: ChildProcess;
let qmp: RawQmp;
let guest: GuestVm;
let target: GuestTarget;

/** A daemon that serves one file over vhost-user, without anything of ours between. */
async function startDaemon(): Promise<void> {
  await writeFile(join(folder, 'volume.raw'), '');
  await truncate(join(folder, 'volume.raw'), 16 * MiB);
  const [socket, served] = [join(folder, 'qmp.sock'), join(folder, 'vhost.sock')];
  daemon = spawn(
    tools.qemuStorageDaemon,
    [
      ['--blockdev', `driver=file,node-name=head,filename=${join(folder, 'volume.raw')}`],
      ['--export', `type=vhost-user-blk,id=volume,node-name=head,writable=on,addr.type=unix,addr.path=${served}`],
      ['--chardev', `socket,id=qmp,path=${socket},server=on,wait=off`, '--monitor', 'chardev=qmp'],
    ].flat(),
    { stdio: 'ignore' },
  );
  // Its socket is there a moment before anybody listens on it.
  await eventually('the daemon answers', async () => {
    const [answer] = await Promise.allSettled([RawQmp.connect(socket)]);
    if (answer.status === 'fulfilled') qmp = answer.value;
    return answer.status === 'fulfilled';
  });
}

// No guest is known for another architecture; npm run demo says so there.
describe.runIf(tools.guest !== null)('a guest', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flexbso-guest-'));
    await startDaemon();
    if (tools.guest === null) return;
    const options = { fioPath: tools.fio, folder: join(folder, 'guest') };
    guest = await startGuest({ ...options, tools: tools.guest, vhostSocket: join(folder, 'vhost.sock') });
    target = await GuestTarget.of(guest);
  }, START_MS);
  afterAll(async () => {
    await guest?.stop();
    qmp.close();
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true });
  }, START_MS);

  it('sees the volume as its disk and says how a command of its own failed', async () => {
    expect(target.sizeBytes).toBe(16 * MiB);
    await expect(guest.run('cat /none')).rejects.toThrow(/cat \/none ended with 1: .*No such file/);
    expect((await guest.run('echo still here')).toString()).toBe('still here\n');
  });

  it('runs a verified load, sees the volume grow under it, and finds every block as it was written', async () => {
    const ledger = new BlockLedger(target.sizeBytes);
    await fillVolume(target, ledger);
    const startedAtMs = Date.now();
    const load = await RunningLoad.start(target);
    await qmp.execute('block_resize', { 'node-name': 'head', size: 24 * MiB });
    await eventually('the guest sees the new size', async () => (await guest.volumeBytes()) === 24 * MiB);
    const result = await load.stop(ledger);
    expect(result).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    expect(result.ioCount).toBeGreaterThan(0);
    // In this machine's time, however the guest's clock is set.
    const slackMs = 1000;
    expect(result.ios.every(({ endedAtMs }) => endedAtMs > startedAtMs - slackMs)).toBe(true);
    expect(result.ios.every(({ endedAtMs }) => endedAtMs < Date.now() + slackMs)).toBe(true);
    expect(await guest.kernelLog()).toContain('new size');
    ledger.grow(await target.look());
    expect(await checkWholeVolume(target, ledger)).toEqual([]);
    await fillVolume(target, ledger, 16 * MiB);
    expect(await readWholeVolume(target)).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
    expect(await checkWholeVolume(target, ledger)).toEqual([]);
  });

  it('finds a block that is whole but old', async () => {
    const ledger = new BlockLedger(target.sizeBytes);
    await fillVolume(target, ledger);
    await guest.run('dd if=/dev/vda of=/run/old bs=4096 count=1 skip=1500 iflag=direct');
    // From here on, each block is another write of its run than it was.
    await fillVolume(target, ledger, 4 * MiB);
    await guest.run('dd if=/run/old of=/dev/vda bs=4096 seek=1500 oflag=direct');
    const wrong = await checkWholeVolume(target, ledger);
    expect(wrong.map(({ offsetBytes }) => offsetBytes)).toEqual([1500 * 4096]);
    // Its checksum says nothing of its age.
    expect(await readWholeVolume(target)).toMatchObject({ failedIo: 0, wrongBlocks: 0 });
  });

  it('counts one I/O that fails and one byte that is wrong', async () => {
    const ledger = new BlockLedger(target.sizeBytes);
    await fillVolume(target, ledger);
    expect(await failOneIo(target)).toMatchObject({ failedIo: 1, wrongBlocks: 0 });
    expect(await plantWrongByte(target)).toMatchObject({ failedIo: 0 });
    expect(await readWholeVolume(target)).toMatchObject({ failedIo: 0, wrongBlocks: 1 });
    expect(await checkWholeVolume(target, ledger)).toMatchObject([{ why: 'no header' }]);
  });

  it('ends with its power off and leaves no file but its console', async () => {
    await guest.stop();
    expect(existsSync(String(guest.imageFile))).toBe(false);
    await expect(guest.run('true')).rejects.toThrow("the guest's machine ended (0)");
  });
});
