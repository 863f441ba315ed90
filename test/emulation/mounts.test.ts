import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mountOf, parseMountinfo } from '../../src/emulation/facts/mounts.ts';

const TEXT = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid,nodev,noexec - proc proc rw
24 23 0:22 / /proc/sys/fs/binfmt_misc rw,relatime shared:14 - autofs systemd-1 rw,fd=29
25 24 0:40 / /proc/sys/fs/binfmt_misc ro,nosuid - binfmt_misc binfmt_misc rw
26 22 0:23 / /var/lib/a\\040b rw,nodev shared:2 master:3 - xfs /dev/vdb rw
27 22 0:24 / /var rw - tmpfs tmpfs rw
`;

describe('the mount table', () => {
  it('is read with optional fields, octal escapes and rubbish', () => {
    const mounts = parseMountinfo(`${TEXT}rubbish\n1 2 3\n`);
    expect(mounts).toHaveLength(6);
    expect(mounts[4]).toEqual({ directory: '/var/lib/a b', type: 'xfs', options: ['rw', 'nodev'] });
  });

  it.each([
    ['/', 'ext4'],
    ['/home/x', 'ext4'],
    ['/processes', 'ext4'],
    ['/proc', 'proc'],
    ['/proc/1', 'proc'],
    ['/proc/sys/fs/binfmt_misc', 'binfmt_misc'],
    ['/proc/sys/fs/binfmt_misc/status', 'binfmt_misc'],
    ['/var/lib', 'tmpfs'],
    ['/var/lib/a b/store', 'xfs'],
  ])('says that %s is on %s', (path, type) => {
    expect(mountOf(path, parseMountinfo(TEXT))?.type).toBe(type);
  });

  it('of this machine has a root', () => {
    expect(mountOf('/', parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')))).toBeDefined();
  });
});
