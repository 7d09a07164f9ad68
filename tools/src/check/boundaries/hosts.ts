import { spawnSync } from 'node:child_process';
import type { Violation } from './workspace.ts';

// A registry on the machine itself has a name that every test uses.
const loopback = /^(?:localhost|127\.|\[?::1)/;

/** Host names in addresses (`scheme://host/…`), without those of the machine itself. */
export function hostsIn(addresses: string): string[] {
  const hosts = [...addresses.matchAll(/[a-z][a-z0-9+.-]*:\/\/(?:[^/\s@]*@)?(\[[^\]]*\]|[^/:\s]+)/gi)].map(
    (one) => one[1] ?? '',
  );
  return [...new Set(hosts)].filter((host) => host !== '' && !loopback.test(host));
}

/** Where this machine gets packages from, as npm and (on Debian) apt say it. */
export function packageHosts(folder: string): string[] {
  const asked = [
    ['npm', 'config', 'get', 'registry'],
    ['apt-get', 'indextargets', '--format', '$(REPO_URI)'],
  ].map(([program = '', ...args]) => spawnSync(program, args, { cwd: folder, encoding: 'utf8' }).stdout ?? '');
  return hostsIn(asked.join('\n'));
}

/**
 * Finds the hosts in the files of a folder, tracked or about to be: a project that names one works on some machines
 * only.
 *
 * @throws when git cannot search the folder
 */
export function hostViolations(folder: string, hosts: readonly string[]): Violation[] {
  if (hosts.length === 0) return [];
  const isRepository = spawnSync('git', ['rev-parse', '--is-inside-work-tree'], { cwd: folder }).status === 0;
  const scope = isRepository ? ['--untracked'] : ['--no-index', '--exclude-standard'];
  const patterns = hosts.flatMap((host) => ['-e', host]);
  const search = spawnSync('git', ['grep', '-nIF', ...scope, ...patterns], { cwd: folder, encoding: 'utf8' });
  // 1 is "nothing found".
  if (search.status !== 0 && search.status !== 1) throw new Error(`git grep failed: ${search.stderr}`);
  return search.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({
      rule: 'registry hosts',
      where: line.split(':', 2).join(':'),
      what: 'names a host that this machine gets packages from; the project works with any',
    }));
}
