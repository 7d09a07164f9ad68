import { expect, test } from 'vitest';
import { cardCapabilities } from './discover.js';

const names = new Set([
  'blockdev-mirror',
  'write-blocking',
  'job-complete',
  'x-debug-query-block-graph',
  'block_resize',
  'throttle',
  'throttle-group',
  'luks',
  'secret',
  'nbd-server-start',
  'block-export-add',
  'vhost-user-blk',
  'file',
  'nbd',
  'tls-creds-psk',
]);
const namesOf = (list: readonly { name: string }[]) => list.map(({ name }) => name);
const hasWith = (...more: string[]) =>
  namesOf(cardCapabilities({ version: '10.0.2', major: 10, names: new Set([...names, ...more]) }).has);

test('a daemon that never tells a guest of a resize lacks live growth, and says what helps', () => {
  const { has, lacks } = cardCapabilities({ version: '7.2.22', major: 7, names });
  expect(namesOf(has)).not.toContain('live-grow');
  expect(lacks.find(({ name }) => name === 'live-grow')?.reason).toMatch(/install QEMU 10/);
  expect(namesOf(cardCapabilities({ version: '10.0.2', major: 10, names }).has)).toContain('live-grow');
});

test('what was not found in the running daemon is lacking, whatever its version', () => {
  const without = new Set([...names].filter((name) => name !== 'luks' && name !== 'vhost-user-blk'));
  const { has, lacks } = cardCapabilities({ version: '10.0.2', major: 10, names: without });
  expect(namesOf(has)).not.toContain('encryption');
  expect(namesOf(lacks)).toEqual(
    expect.arrayContaining(['encryption', 'front-end.virtio-blk', 'raid0', 'compression']),
  );
});

test('reads are checked only where they can be kept apart from writes', () => {
  expect(hasWith('quorum')).not.toContain('safe-read');
  expect(hasWith('quorum', 'copy-on-read')).toEqual(expect.arrayContaining(['raid1', 'safe-read']));
});

test('no capability is both there and lacking', () => {
  const { has, lacks } = cardCapabilities({ version: '10.0.2', major: 10, names });
  expect(namesOf(has).filter((name) => namesOf(lacks).includes(name))).toEqual([]);
});
