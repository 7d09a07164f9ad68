import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { setupQemu } from '../testing/qsd-site.js';
import { sitesOfTests } from '../testing/sites.js';
import { MIB, TestVolume } from '../testing/test-volume.js';

const makeSite = sitesOfTests();

async function volumeOver(protocol: 'nbd' | 'virtio-blk'): Promise<TestVolume> {
  const volume = new TestVolume(await makeSite(setupQemu()), 16 * MIB);
  await volume.perform(...volume.create(await volume.addLeg('host', 'leg-000000000a'), protocol));
  return volume;
}

const other = (protocol: 'nbd' | 'virtio-blk') => ({ protocol, functionId: 'fn-2' }) as const;
const shownOn = async (volume: TestVolume) => (await volume.observe()).exports.map(({ functionId }) => functionId);

/** Whether somebody answers at a volume's address. */
async function isReached(uri: string): Promise<boolean> {
  const path = uri.replace(/^[a-z+-]+:(\/\/)?/, '').replace(/^.*[?&]socket=/, '');
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test.each(['nbd', 'virtio-blk'] as const)(
  'a volume over %s is shown on another function, and reached there',
  async (protocol) => {
    const volume = await volumeOver(protocol);
    await volume.perform({ kind: 'unexport-volume', protocol, functionId: 'fn-1' });
    expect(await shownOn(volume)).toEqual([]);
    await volume.perform({ kind: 'export-volume', ...other(protocol) });
    const [shown] = (await volume.observe()).exports;
    expect(shown).toMatchObject(other(protocol));
    expect(await isReached(shown?.uri ?? '')).toBe(true);
  },
);

test('what was written over one function is read over the other', async () => {
  const volume = await volumeOver('nbd');
  const written = Buffer.alloc(MIB, 'written before it moved ');
  await volume.site.guest.write(volume.volumeId, 0, written);
  await volume.perform(
    { kind: 'unexport-volume', protocol: 'nbd', functionId: 'fn-1' },
    { kind: 'export-volume', ...other('nbd') },
  );
  expect((await volume.site.guest.read(volume.volumeId, 0, MIB)).equals(written)).toBe(true);
});
