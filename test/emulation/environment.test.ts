import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { stepEnvironment } from '../../src/emulation/environment.ts';

const aarch64 = architectureByName('aarch64');
const riscv64 = architectureByName('riscv64');
const of = (record: Record<string, string>): ReadonlyMap<string, string> => new Map(Object.entries(record));

describe('the environment of an emulated step', () => {
  it.each([
    'QEMU_VERSION',
    'QEMU_CPU',
    'QEMU_GDB',
    'QEMU_LD_PREFIX',
    'QEMU_SET_ENV',
    'QEMU_',
    'QEMU_UNHEARD_OF',
  ])('never has %s from outside', (name) => {
    const { variables, held } = stepEnvironment(of({ A: '1', [name]: 'x' }), riscv64);
    expect([...variables]).toEqual([['A', '1']]);
    expect(held).toEqual([name]);
  });

  it.each(['qemu_version', 'MY_QEMU_VERSION', 'QEMUVERSION', 'LD_PRELOAD'])('keeps %s', (name) => {
    expect([...stepEnvironment(of({ [name]: 'x' }), riscv64).variables]).toEqual([[name, 'x']]);
  });

  it('names a CPU without pointer authentication for aarch64', () => {
    const { variables, held } = stepEnvironment(of({ PATH: '/bin', QEMU_CPU: 'max' }), aarch64);
    expect([...variables]).toEqual([
      ['PATH', '/bin'],
      ['QEMU_CPU', 'neoverse-n1'],
    ]);
    expect(held).toEqual(['QEMU_CPU']);
  });

  it.each([aarch64, riscv64])('has the CPU the user chose', (architecture) => {
    const { variables } = stepEnvironment(of({}), architecture, ['max,pauth-impdef=on']);
    expect(variables.get('QEMU_CPU')).toBe('max,pauth-impdef=on');
  });

  it('is left alone in a native step', () => {
    const environment = of({ QEMU_VERSION: '1' });
    expect(stepEnvironment(environment, undefined, ['max'])).toEqual({
      variables: environment,
      held: [],
    });
  });
});
