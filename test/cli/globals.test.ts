import { describe, expect, it } from 'vitest';
import { defaultRoot } from '../../src/cli/globals.ts';

const isRoot = process.getuid?.() === 0;

describe('the store', () => {
  it.each([
    [{ ARCH_BUILD_ROOT: '/x' }, '/x'],
    [{ ARCH_BUILD_ROOT: '/x', XDG_DATA_HOME: '/y' }, '/x'],
  ])('is named by the environment: %j', (environment, expected) => {
    expect(defaultRoot(environment)).toBe(expected);
  });

  it.runIf(isRoot)('is the system’s for root, also with an empty variable', () => {
    expect(defaultRoot({ ARCH_BUILD_ROOT: '', XDG_DATA_HOME: '/y' })).toBe('/var/lib/arch-build');
  });

  it('is in the data directory of an ordinary user', () => {
    const { getuid } = process;
    process.getuid = () => 1000;
    try {
      expect(defaultRoot({ XDG_DATA_HOME: '/y' })).toBe('/y/arch-build');
      expect(defaultRoot({})).toMatch(/\/\.local\/share\/arch-build$/);
    } finally {
      if (getuid !== undefined) process.getuid = getuid;
    }
  });
});
