import { describe, expect, it } from 'vitest';
import { deviceOf } from './leg-compression.js';

const mountinfo = `21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 21 0:41 / /pools rw,relatime shared:1 - btrfs /dev/loop3 rw,space_cache=v2
31 30 0:42 / /pools/a\\040b rw,relatime - btrfs /dev/mapper/a\\040b rw
32 30 0:43 / /pools/memory rw - tmpfs tmpfs rw
`;

describe('the device of a file system', () => {
  it('is that of the mount nearest above the path', () => {
    expect(deviceOf(mountinfo, '/pools')).toBe('/dev/loop3');
    expect(deviceOf(mountinfo, '/pools/pool-1/legs')).toBe('/dev/loop3');
    expect(deviceOf(mountinfo, '/pools/a b/legs')).toBe('/dev/mapper/a b');
  });

  it('is none where the nearest mount is of another kind', () => {
    expect(deviceOf(mountinfo, '/var/lib')).toBeNull();
    expect(deviceOf(mountinfo, '/poolside')).toBeNull();
    expect(deviceOf(mountinfo, '/pools/memory/legs')).toBeNull();
  });

  it('is that of the mount on top, where one lies over another', () => {
    expect(deviceOf(`${mountinfo}33 30 0:44 / /pools rw - btrfs /dev/loop4 rw\n`, '/pools/x')).toBe('/dev/loop4');
  });
});
