import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { installedTools, ToolsNotInstalledError } from './installed-tools.js';

const complete = {
  natsServer: '/opt/nats-server',
  qemuStorageDaemon: '/opt/qemu-storage-daemon',
  qemuImg: '/opt/qemu-img',
  fio: '/usr/bin/fio',
  setpriv: '/usr/bin/setpriv',
  btrfs: '/usr/bin/btrfs',
  mkfsBtrfs: '/usr/sbin/mkfs.btrfs',
  postgresBin: '/usr/lib/postgresql/15/bin',
  guest: {
    qemuSystem: '/opt/qemu-system-x86_64',
    kernel: '/opt/vmlinuz',
    modules: '/opt/modules',
    busybox: '/opt/busybox',
    cache: '/opt/images',
  },
  versions: { natsServer: '2.10.27', qemu: '10.0.2', fio: '3.33', postgres: '15.18' },
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flexbso-tools-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function recordOf(text: string): URL {
  const file = join(folder, 'tools.json');
  writeFileSync(file, text);
  return pathToFileURL(file);
}

test('the record that setup wrote is read as it stands', () => {
  expect(installedTools(recordOf(JSON.stringify(complete)))).toEqual(complete);
});

test('a machine that no guest is known for has none', () => {
  expect(installedTools(recordOf(JSON.stringify({ ...complete, guest: null }))).guest).toBeNull();
});

test('a missing record says which command makes it', () => {
  const missing = pathToFileURL(join(folder, 'none.json'));
  expect(() => installedTools(missing)).toThrow(ToolsNotInstalledError);
  expect(() => installedTools(missing)).toThrow(/none\.json cannot be read: run 'npm run setup'/);
});

test('a record of an older setup names the tool that it lacks', () => {
  expect(() => installedTools(recordOf(JSON.stringify({ ...complete, fio: '' })))).toThrow(/names no fio/);
  expect(() => installedTools(recordOf(JSON.stringify({ ...complete, versions: {} })))).toThrow(/names no natsServer/);
  expect(() => installedTools(recordOf(JSON.stringify({ ...complete, guest: undefined })))).toThrow(/names no guest/);
  expect(() => installedTools(recordOf(JSON.stringify({ ...complete, guest: {} })))).toThrow(/names no qemuSystem/);
});

test('a record that is no object is refused', () => {
  expect(() => installedTools(recordOf('[]'))).toThrow(/is not a JSON object/);
});
