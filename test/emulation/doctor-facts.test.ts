/** The facts of doctor that are read out of texts of the kernel. */
import { describe, expect, it } from 'vitest';
import { parseMountinfo } from '../../src/emulation/facts/mounts.ts';
import { groupDirectories, parseLimits } from '../../src/emulation/facts/process-facts.ts';
import { wslVersion } from '../../src/emulation/facts/surroundings.ts';

describe('limits', () => {
  it('are soft and hard, and undefined where unlimited', () => {
    const limits = parseLimits(
      'Limit                     Soft Limit           Hard Limit           Units\nMax open files            64                   4096                 files\nMax address space         unlimited            unlimited            bytes\n',
    );
    expect(limits.openFiles).toEqual({ soft: 64, hard: 4096 });
    expect(limits.addressSpace).toEqual({ soft: undefined, hard: undefined });
  });
});

describe('control groups', () => {
  it('are found below their mounts, with all above them', () => {
    const mounts = parseMountinfo(
      '31 23 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n32 23 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
    );
    expect(groupDirectories('0::/a/b\n', mounts)).toEqual([
      '/sys/fs/cgroup/a/b',
      '/sys/fs/cgroup/a',
      '/sys/fs/cgroup/',
    ]);
    expect(groupDirectories('8:pids:/x\n', mounts)).toEqual([
      '/sys/fs/cgroup/pids/x',
      '/sys/fs/cgroup/pids/',
    ]);
  });
});

describe('WSL', () => {
  it.each([
    ['4.4.0-19041-Microsoft', 1],
    ['5.15.90.1-microsoft-standard-WSL2', 2],
    ['6.1.0-18-amd64', undefined],
  ])('%s is %s', (kernel, version) => {
    expect(wslVersion(kernel)).toBe(version);
  });
});
