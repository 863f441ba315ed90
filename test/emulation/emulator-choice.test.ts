import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { chosenCpu, chosenEmulator } from '../../src/emulation/emulator-choice.ts';

const aarch64 = architectureByName('aarch64')!;
const s390x = architectureByName('s390x')!;

describe('--emulator', () => {
  it.each([
    [[], {}],
    [['10.0'], { version: '10.0' }],
    [['/q'], { explicit: ['/q'] }],
    [['bin/qemu'], { explicit: [resolve('bin/qemu')] }],
    [['./10'], { explicit: [resolve('10')] }],
    [['/a', '/b'], { explicit: ['/a', '/b'] }],
    [['9', '10'], { version: '10' }],
    [['/kit', '10'], { version: '10', explicit: ['/kit'] }],
    [['aarch64=10.0.13'], { version: '10.0.13' }],
    [['linux/arm64=10.0.13'], { version: '10.0.13' }],
    [['arm64=/q'], { explicit: ['/q'] }],
    [['s390x=10'], {}],
    [['7.2.22', 'aarch64=10'], { version: '10' }],
    [['aarch64=10', '7.2.22'], { version: '10' }],
    [['/a=b/qemu'], { explicit: ['/a=b/qemu'] }],
    [['x=7'], { explicit: [resolve('x=7')] }],
  ] as const)('%j says of aarch64 %j', (words, chosen) => {
    expect(chosenEmulator(words, aarch64)).toEqual(chosen);
  });

  it('is about each machine by itself', () => {
    const words = ['aarch64=10.0.13', 's390x=7.2.22'];
    expect(chosenEmulator(words, aarch64)).toEqual({ version: '10.0.13' });
    expect(chosenEmulator(words, s390x)).toEqual({ version: '7.2.22' });
  });

  it('is about machines that share a program', () => {
    expect(chosenEmulator(['i386=8'], architectureByName('i486')!)).toEqual({ version: '8' });
  });

  it.each(['', 'aarch64='])('is refused when it says nothing: %j', (word) => {
    expect(() => chosenEmulator([word], aarch64)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('--emulator-cpu', () => {
  it.each([
    [[], undefined],
    [['max'], 'max'],
    [['max', 'cortex-a72'], 'cortex-a72'],
    [['max,pauth-impdef=on'], 'max,pauth-impdef=on'],
    [['aarch64=max,pauth-impdef=on', 'qemu'], 'max,pauth-impdef=on'],
    [['s390x=qemu'], undefined],
  ] as const)('%j says of aarch64 %j', (words, model) => {
    expect(chosenCpu(words, aarch64)).toBe(model);
  });
});
