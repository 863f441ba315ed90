/** Which entries are asked for, and what is made of a refusal. */
import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import type { Registration } from '../../src/emulation/binfmt-entry.ts';
import type { Emulator } from '../../src/emulation/emulators.ts';
import { RegistrationRefusal } from '../../src/emulation/binfmt/refusal.ts';
import { registerBest } from '../../src/emulation/rung-registration.ts';

const machines = [architectureByName('aarch64')!, architectureByName('arm')!];
const emulators = new Map(
  machines.map(({ arch }): [string, Emulator] => [
    arch,
    { arch, path: `/kit/${arch}-static`, version: '7.2.22', sha256: '', sizeBytes: 1, source: 'store' },
  ]),
);
const registration: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

interface Asked {
  readonly register: (registrations: readonly Registration[]) => Promise<AsyncDisposable>;
  readonly flags: string[][];
  readonly interpreters: string[][];
}

/** A kernel that refuses the registrations `judge` has an error for. */
function kernel(judge: (asked: Registration) => Error | undefined): Asked {
  const flags: string[][] = [];
  const interpreters: string[][] = [];
  return {
    flags,
    interpreters,
    register: (registrations) => {
      flags.push(registrations.map((each) => each.flags));
      interpreters.push(registrations.map((each) => each.interpreter));
      const error = judge(registrations[0]!);
      return error === undefined ? Promise.resolve(registration) : Promise.reject(error);
    },
  };
}

describe('the entries of the host rung', () => {
  it('hold the emulator open where the kernel can', async () => {
    const { register, flags, interpreters } = kernel(() => undefined);
    expect(await registerBest(machines, emulators, register)).toEqual({
      isolation: { kind: 'host' },
      registration,
    });
    expect(flags).toEqual([['POCF', 'POCF']]);
    expect(interpreters).toEqual([['/kit/aarch64-static', '/kit/arm-static']]);
  });

  it('name it by its path in the step where the kernel does not know F', async () => {
    const { register, flags, interpreters } = kernel((asked) =>
      asked.flags.includes('F') ? new RegistrationRefusal(asked, 'EINVAL') : undefined,
    );
    expect(await registerBest(machines, emulators, register)).toEqual({
      isolation: {
        kind: 'host',
        emulators: [
          { name: 'qemu-aarch64', source: '/kit/aarch64-static' },
          { name: 'qemu-arm', source: '/kit/arm-static' },
        ],
      },
      registration,
    });
    expect(flags).toEqual([
      ['POCF', 'POCF'],
      ['POC', 'POC'],
    ]);
    expect(interpreters[1]).toEqual(['/dev/emulators/qemu-aarch64', '/dev/emulators/qemu-arm']);
  });

  it.each([
    { errno: 'EACCES', times: 1 },
    { errno: 'EINVAL', times: 2 },
  ])('are given up with the reason: $errno', async ({ errno, times }) => {
    const { register, flags } = kernel((asked) => new RegistrationRefusal(asked, errno));
    expect(await registerBest(machines, emulators, register)).toMatch(
      new RegExp(`^cannot register arch-build-aarch64: .*\\(${errno}\\)$`),
    );
    expect(flags).toHaveLength(times);
  });

  it('hide no other error', async () => {
    const { register } = kernel(() => new TypeError('a bug'));
    await expect(registerBest(machines, emulators, register)).rejects.toThrow('a bug');
  });
});
