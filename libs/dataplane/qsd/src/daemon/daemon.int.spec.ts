import { eventually } from '@flexbso/testkit';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';

const makeSite = sitesOfTests();

test.each(['stop', 'kill'] as const)(
  'two daemons that were started for one monitor are both gone after %s',
  async (end) => {
    const site = await makeSite(setupQemu());
    const daemon = site.daemonIn(site.cardOptions.runDirectory, 'vol-1');
    await daemon.start();
    const pid = Number(await daemon.pid());
    const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    // A start that missed the first one clears the directory, too; otherwise the pid file is locked.
    await rm(daemon.directory, { recursive: true });
    await mkdir(daemon.directory);
    const other = spawn(program, args, { stdio: 'ignore' });
    onTestFinished(() => void other.kill('SIGKILL'));
    const ended = once(other, 'exit');
    await eventually('the other one answers', async () => (await daemon.pid()) === other.pid);
    await daemon[end]();
    await ended;
    expect([existsSync(`/proc/${pid}/exe`), existsSync(daemon.directory)]).toEqual([false, false]);
  },
);
