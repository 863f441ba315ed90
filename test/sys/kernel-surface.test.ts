/** What of the kernel a step does not see, and how that is changed. */
import { describe, expect, it } from 'vitest';
import { hasVolatileOverlay, kernelSurface } from '../../src/sys/kernel-surface.ts';

const maskedBy = (masked: string[], unmasked: string[] | 'all' = []): string[] => {
  const surface = kernelSurface({ masked, unmasked });
  return [...surface.masked.files, ...surface.masked.directories];
};

describe('what is masked', () => {
  it('is there, and a file or a directory', () => {
    const { masked } = kernelSurface();
    expect(masked.files).toContain('/proc/interrupts');
    expect(masked.directories).not.toContain('/proc/interrupts');
  });

  it('is more where that is said: the kernel’s, once each, as far as it is there', () => {
    const usual = maskedBy([]);
    expect(maskedBy(['/proc/version', '/proc/interrupts', '/proc/nothing', '/etc/passwd']).sort()).toEqual(
      [...usual, '/proc/version'].sort(),
    );
    expect(kernelSurface({ masked: ['/proc/version', '/proc/driver'], unmasked: [] }).masked).toMatchObject({
      files: expect.arrayContaining(['/proc/version']) as string[],
      directories: expect.arrayContaining(['/proc/driver']) as string[],
    });
  });

  it.each<[string[] | 'all', boolean]>([
    [['/proc/interrupts'], true],
    [['/proc/inter*'], true],
    [['/proc/interrupt?'], true],
    [['/proc/*'], true],
    [['/*'], false],
    [['/proc/interrupt.'], false],
    [['/proc/interrupt'], false],
    ['all', true],
  ])('is less by %o: %s', (unmasked, isShown) => {
    expect(maskedBy([], unmasked).includes('/proc/interrupts')).toBe(!isShown);
  });

  it('stays what is said where all the rest is shown', () => {
    expect(maskedBy(['/proc/version'], 'all')).toEqual(['/proc/version']);
  });

  it('is what is read-only in any case', () => {
    expect(kernelSurface({ masked: [], unmasked: 'all' }).readOnlyProc).toContain('/proc/sys');
  });
});

it.each([
  ['5.9.16', false],
  ['5.10.0-8-amd64', true],
  ['6.1.0', true],
])('the overlay of Linux %s is volatile: %s', (release, expected) => {
  expect(hasVolatileOverlay(release)).toBe(expected);
});
