import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostsIn, hostViolations } from './hosts.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flexbso-hosts-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('hosts are taken from addresses without port, user and path, and those of the machine itself are left out', () => {
  const addresses =
    'https://user@mirror.example:8080/npm/ http://mirror.example/debian/ http://localhost:4873/ http://127.0.0.1/ http://[::1]:80/';
  expect(hostsIn(addresses)).toEqual(['mirror.example']);
});

test.each(['in a git work tree', 'in an unpacked archive'])('a file that names a registry is found %s', (where) => {
  if (where === 'in a git work tree') execFileSync('git', ['init', '--quiet'], { cwd: folder });
  writeFileSync(join(folder, 'clean.md'), 'nothing\n');
  writeFileSync(join(folder, 'lock.json'), '{\n"resolved": "https://mirror.example/a.tgz"\n}\n');
  expect(hostViolations(folder, ['mirror.example']).map((one) => one.where)).toEqual(['lock.json:2']);
  expect(hostViolations(folder, ['other.example'])).toEqual([]);
  expect(hostViolations(folder, [])).toEqual([]);
});
