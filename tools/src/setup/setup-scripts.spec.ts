import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

// The scripts of tools/setup are bash, because they run before there is a Node; each part is sourced here on its own.
const parts = new URL('../../setup/lib/', import.meta.url).pathname;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flexbso-setup-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs bash code after the given parts of the setup, in an empty folder that stands for the workspace. */
function bash(sourced: string[], code: string, environment: NodeJS.ProcessEnv = {}) {
  const sources = ['report', ...sourced].map((part) => `source '${parts}${part}.sh'`).join('\n');
  const script = `set -euo pipefail\nworkspace='${folder}'\n${sources}\n${code}`;
  const env = { ...process.env, FLEXBSO_CACHE: join(folder, 'cache'), ...environment };
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', env });
}

/** Makes a program that answers --version, as the setup asks for it. */
function program(path: string, version: string): string {
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho '${path.split('/').at(-1)} version ${version} (Debian)'\n`);
  chmodSync(file, 0o755);
  return file;
}

describe('versions', () => {
  test.each([
    ['2.10.27', '2.10', true],
    ['2.10', '2.10', true],
    ['2.9.10', '2.10', false],
    ['10.0.2', '10.0', true],
    ['7.2.22', '10.0', false],
    ['', '2.10', false],
  ])('%j is at least %j: %j', (version, least, holds) => {
    expect(bash(['versions'], `at_least '${version}' '${least}'`).status).toBe(holds ? 0 : 1);
  });

  test("a program's version is the first dotted number that it answers, and nothing when it does not run", () => {
    const file = program('qemu-img', '10.0.2');
    expect(bash(['versions'], `version_of '${file}'`).stdout).toBe('10.0.2\n');
    expect(bash(['versions'], `version_of '${folder}/none'`).stdout).toBe('');
  });
});

describe('what is found', () => {
  const show = 'discover_qemu; echo "$qemu_storage_daemon $qemu_version"';

  test("a new QEMU of the cache wins over the distribution's old one, unless that is asked for", () => {
    program('system/qemu-storage-daemon', '7.2.22');
    program('system/qemu-img', '7.2.22');
    program('cache/qemu/bin/qemu-storage-daemon', '10.0.2');
    program('cache/qemu/bin/qemu-img', '10.0.2');
    const PATH = `${folder}/system:/usr/bin:/bin`;
    const found = bash(['versions', 'discover'], show, { PATH });
    expect(found.stdout).toBe(`${folder}/cache/qemu/bin/qemu-storage-daemon 10.0.2\n`);
    const asked = bash(['versions', 'discover'], show, { PATH, FLEXBSO_QEMU: 'system' });
    expect(asked.stdout).toBe(`${folder}/system/qemu-storage-daemon 7.2.22\n`);
  });

  test('an old QEMU alone counts as missing', () => {
    program('system/qemu-storage-daemon', '7.2.22');
    program('system/qemu-img', '7.2.22');
    const found = bash(['versions', 'discover'], show, { PATH: `${folder}/system:/usr/bin:/bin` });
    expect(found.stdout.trim()).toBe('7.2.22');
  });

  test('an unknown choice of QEMU is refused', () => {
    const refused = bash(['versions', 'discover'], 'true', { FLEXBSO_QEMU: 'newest' });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("FLEXBSO_QEMU is 'newest'");
  });
});

describe("apt's sources", () => {
  const lines = [
    'http://security.example/debian-security/ bookworm-security main',
    'http://mirror.example/debian/ bookworm contrib',
    'http://mirror.example/debian/ bookworm main',
    'http://other.example/debian/ bookworm main',
  ].join('\n');

  test('the mirror is the first that serves main of this release', () => {
    const code = `mirror_of bookworm <<<'${lines}'; mirror_of trixie <<<'${lines}'`;
    expect(bash(['versions', 'discover', 'fetch'], code).stdout).toBe('http://mirror.example/debian/\n');
  });

  test('a source line is signed by keys that the distribution brought, when it has them', () => {
    const { stdout } = bash(['versions', 'discover', 'fetch'], 'source_line http://mirror.example/debian/ trixie');
    expect(stdout).toMatch(/^deb (\[signed-by=\/\S+\] )?http:\/\/mirror\.example\/debian\/ trixie main\n$/);
    expect(stdout).not.toContain('trusted');
  });

  test("the private apt keeps the machine's settings but not its hooks", () => {
    const machine = [
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/*.bin";',
      'DPkg::Pre-Install-Pkgs:: "/usr/sbin/ask";',
      'DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
      'Dir::State "var/lib/apt";',
    ];
    const code = `apt-config() { cat <<'DUMP'\n${machine.join('\n')}\nDUMP\n}; private_apt_configuration '${folder}/apt'`;
    expect(bash(['versions', 'discover', 'fetch'], code).status).toBe(0);
    const configuration = readFileSync(join(folder, 'apt/apt.conf'), 'utf8');
    expect(configuration).toContain(machine[0]);
    expect(configuration).not.toContain('Invoke');
    expect(configuration).not.toContain('Pre-Install-Pkgs');
    // The last word on a name counts.
    expect(configuration.lastIndexOf(`Dir::State "${folder}/apt";`)).toBeGreaterThan(
      configuration.indexOf('var/lib/apt'),
    );
  });
});

describe('what a guest is made of', () => {
  const needed = ['versions', 'discover', 'guest'];
  const show = 'discover_guest; guest_missing && echo missing; echo "$qemu_system $guest_kernel $busybox"';
  const onX86 = 'uname() { echo x86_64; }; qemu_storage_daemon=';

  test('all of it in the cache is found', () => {
    program('cache/qemu-system/bin/qemu-system-x86_64', '10.0.2');
    program('cache/guest-parts/bin/busybox', '1.35');
    program('cache/guest-parts/boot/vmlinuz-6.1-cloud', '6.1');
    mkdirSync(join(folder, 'cache/guest-parts/lib/modules/6.1-cloud'), { recursive: true });
    const { stdout } = bash(needed, `${onX86}; ${show}`, { PATH: '/usr/bin:/bin' });
    const cache = join(folder, 'cache');
    expect(stdout).toBe(
      `${cache}/qemu-system/bin/qemu-system-x86_64 ${cache}/guest-parts/boot/vmlinuz-6.1-cloud ${cache}/guest-parts/bin/busybox\n`,
    );
  });

  test('an old emulator alone, or a kernel without its modules, counts as missing', () => {
    program('cache/qemu-system/bin/qemu-system-x86_64', '7.2.22');
    program('cache/guest-parts/boot/vmlinuz-6.1-cloud', '6.1');
    expect(bash(needed, `${onX86}; ${show}`, { PATH: '/usr/bin:/bin' }).stdout.trim()).toBe('missing');
  });

  test('nothing is missing where no guest is known', () => {
    const { stdout } = bash(needed, `uname() { echo aarch64; }; discover_guest; guest_missing || echo complete`);
    expect(stdout).toBe('complete\n');
  });

  test("the distribution's emulator is asked for only where its QEMU serves", () => {
    const asked = 'qemu_system_is_a_package && echo yes || echo no';
    const code = `${onX86}; qemu_system=; for qemu_storage_daemon in /usr/bin/qsd $cache/qemu/bin/qsd; do ${asked}; done`;
    expect(bash(needed, code).stdout).toBe('yes\nno\n');
  });
});

describe('missing packages', () => {
  const nothing =
    'uname() { echo aarch64; }; qemu_system= system_qemu_present=no qemu_storage_daemon= fio= setpriv= postgres_bin= btrfs= mkfs_btrfs=';

  test('each missing program stands for its Debian package', () => {
    const { stdout } = bash(['versions', 'discover', 'guest', 'packages'], `${nothing}; missing_packages`);
    expect(stdout.trim().split('\n')).toEqual([
      'qemu-system-common',
      'qemu-utils',
      'fio',
      'util-linux',
      'postgresql',
      'btrfs-progs',
    ]);
  });

  test('without root and sudo, what to install is said, and nothing is done', () => {
    // An id that is not root's and a PATH without sudo stand for such a user.
    const code = `id() { echo 1000; }; command() { [ "$2" != sudo ] && builtin command "$@"; }
      ${nothing}; fio=/usr/bin/fio setpriv=/usr/bin/setpriv btrfs=/b mkfs_btrfs=/m; install_packages; echo done`;
    const refused = bash(['versions', 'discover', 'guest', 'packages'], code);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toBe('');
    expect(refused.stderr).toContain(
      'apt-get update && apt-get install --no-install-recommends qemu-system-common qemu-utils postgresql',
    );
  });
});

describe('long steps', () => {
  test('a step that holds says so and keeps its output to itself', () => {
    const { status, stderr } = bash([], "long_step 'doing it' echo noise");
    expect(status).toBe(0);
    expect(stderr).toMatch(/doing it \.\.\.\n.*doing it: done in \d+ s\n$/);
    expect(stderr).not.toContain('noise');
  });

  test('a step that fails shows its output and ends the setup', () => {
    const { status, stdout, stderr } = bash([], "long_step 'doing it' sh -c 'echo noise; exit 7'; echo more");
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('noise');
    expect(stderr).toContain('doing it: failed with exit status 7');
  });

  test('a step of several commands ends at the first that fails', () => {
    const code = 'several() { echo one; false; echo two; }; long_step several several';
    const { status, stderr } = bash([], code);
    expect(status).toBe(1);
    expect(stderr).not.toContain('two');
  });
});

test('the record names every tool, and a second recording says nothing', () => {
  const tools = `qemu_system=/g guest_kernel=/k guest_modules=/m busybox=/b cache=/c; nats_server=/n qemu_storage_daemon=/q qemu_img=/i fio=/f setpriv=/s postgres_bin=/p btrfs=/t mkfs_btrfs=/u
    nats_version=2.10.27 qemu_version=10.0.2 fio_version=3.33 postgres_version=15.18`;
  const first = bash(['record'], `${tools}; record_tools; echo again >&2; record_tools`);
  expect(first.stderr).toMatch(/QEMU 10\.0\.2.*\nagain\n$/);
  expect(JSON.parse(readFileSync(join(folder, '.cache/tools.json'), 'utf8'))).toMatchObject({
    natsServer: '/n',
    btrfs: '/t',
    mkfsBtrfs: '/u',
    guest: { qemuSystem: '/g', kernel: '/k', modules: '/m', busybox: '/b', cache: '/c/guest-images' },
    versions: { qemu: '10.0.2' },
  });
});
