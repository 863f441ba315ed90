import { describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureByName } from '../../src/emulation/architecture.ts';
import {
  ageFault,
  compareVersions,
  isTooOld,
  looksLikeVersion,
  matchesVersion,
} from '../../src/emulation/emulator-version.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';

const aarch64 = architectureByName('aarch64')!;
const loong = architectureByName('loongarch64')!;

describe('a word of --emulator', () => {
  it.each(['7.2.22', '10', '10.0', '11.1.0-rc2', '10.0.13+ds'])('is a version: %s', (word) => {
    expect(looksLikeVersion(word)).toBe(true);
  });

  it.each(['./10', '/10', 'qemu-aarch64', '10/qemu', 'v10', '10.', '.5', '', '10.0.13/', '1 0'])(
    'is a file: %j',
    (word) => {
      expect(looksLikeVersion(word)).toBe(false);
    },
  );
});

describe('a version asked for', () => {
  it.each([
    ['10.0.13', '10'],
    ['10.0.13', '10.0'],
    ['10.0.13', '10.0.13'],
    ['7.2.22', '7'],
    ['9.1.0-rc1', '9.1.0'],
  ])('%s is meant by %s', (version, wanted) => {
    expect(matchesVersion(version, wanted)).toBe(true);
  });

  it.each([
    ['7.2.22', '7.2.2'],
    ['10.0.13', '1'],
    ['10.0.13', '10.0.13.1'],
    ['10.0.13', '0.13'],
  ])('%s is not meant by %s', (version, wanted) => {
    expect(matchesVersion(version, wanted)).toBe(false);
  });

  it('is compared by its numbers', () => {
    const sorted = ['10.0.13', '7.2.22', '10.0.2', '8.1', '7.2.3'].sort(compareVersions);
    expect(sorted).toEqual(['7.2.3', '7.2.22', '8.1', '10.0.2', '10.0.13']);
  });
});

describe('the oldest good version', () => {
  it('is told where it was found out, with the reason', () => {
    expect(isTooOld('7.2.22', loong)).toBe(true);
    expect(ageFault('7.2.22', loong)).toMatch(/too old .* loongarch64.* SIGILL before 8\.1/);
    expect(['8.1', '8.1.0', '10.0.13'].filter((version) => isTooOld(version, loong))).toEqual([]);
    expect(ageFault('10.0.13', loong)).toBeUndefined();
    expect(isTooOld('2.5', aarch64)).toBe(false);
  });

  it('is never above everything that is pinned', () => {
    for (const architecture of ARCHITECTURES) {
      const pinned = pinnedPackages().filter(({ emulators }) => architecture.emulator in emulators);
      const good = pinned.filter(({ version }) => !isTooOld(version, architecture));
      expect(good.length > 0 || pinned.length === 0, architecture.arch).toBe(true);
    }
  });
});
