/**
 * qemu listens to variables of its own: with QEMU_VERSION set it prints its version and ends with 0, and every
 * program seems to succeed. Wherever such a variable comes from, it must not reach the emulator.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from '../e2e/bases.ts';
import { build, tryBuild, type ProjectOptions } from '../e2e/projects.ts';
import { closeVerified } from '../e2e/verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
  await build(cli, 'poisoned', {
    kubefile: 'FROM busybox\nENV QEMU_VERSION=1 QEMU_LOG=nosuch QEMU_STRACE=1\n',
  });
});
afterAll(() => closeVerified(cli));

describeWith(['root', 'private-binfmt'], 'a variable of the emulator', () => {
  const cases: readonly ({ name: string; kubefile: string } & ProjectOptions)[] = [
    { name: 'ENV', kubefile: 'FROM busybox\nENV QEMU_VERSION=1\nRUN false\n' },
    { name: 'ARG', kubefile: 'FROM busybox\nARG QEMU_VERSION=1\nRUN false\n' },
    {
      name: '--build-arg',
      kubefile: 'FROM busybox\nARG QEMU_VERSION\nRUN false\n',
      args: ['--build-arg', 'QEMU_VERSION=1'],
    },
    { name: 'the config of the base', kubefile: 'FROM poisoned\nRUN false\n' },
    {
      name: 'the environment of the host',
      kubefile: 'FROM busybox\nRUN false\n',
      env: { QEMU_VERSION: '1' },
    },
    { name: 'a global ARG', kubefile: 'ARG QEMU_VERSION=1\nFROM busybox\nARG QEMU_VERSION\nRUN false\n' },
  ];
  it.each(cases)(
    'of $name does not make a failing RUN succeed',
    async ({ kubefile, args = [], env = {} }) => {
      for (const isolation of ['private', 'host']) {
        const options = { args: [...args, '--isolation', isolation], env };
        const { status, stderr } = await tryBuild(cli, 'x', { kubefile, ...options });
        expect({ status, stderr }).toEqual({
          status: 1,
          stderr: expect.stringMatching(/exited with status 1/) as unknown,
        });
        expect(stderr).not.toMatch(/qemu-aarch64 version/);
      }
    },
  );

  it('stays in the config of the image, is held back from the step, and the log says so', async () => {
    const { log } = await build(cli, 'held', {
      kubefile: 'FROM poisoned\nRUN env; echo step ran\n',
      args: ['--no-cache'],
    });
    expect(log).toMatch(/\] step ran$/m);
    expect(log).toMatch(/^warning: .*QEMU_VERSION/m);
    expect(log).not.toMatch(/\] QEMU_VERSION=/);
    expect(await cli.run(['inspect', '--format', 'config', 'held'])).toContain('QEMU_VERSION=1');
  });

  it('does not reach `run` either', async () => {
    expect((await cli.call(['run', 'poisoned', 'false'])).status).toBe(1);
    expect((await cli.call(['run', '-e', 'QEMU_VERSION=1', 'busybox', 'false'])).status).toBe(1);
    expect((await cli.call(['run', 'busybox', 'false'], { env: { QEMU_VERSION: '1' } })).status).toBe(1);
  });
});

describeWith(['root', 'private-binfmt'], 'variables of the host', () => {
  it('do not reach a step', async () => {
    const env = { LD_PRELOAD: undefined, BASH_ENV: '/etc/passwd', ENV: '/etc/passwd', SECRET_OF_HOST: 'x' };
    const { log } = await build(cli, 'clean', {
      kubefile: 'FROM busybox\nRUN env\n',
      args: ['--no-cache'],
      env,
    });
    expect(log).not.toMatch(/SECRET_OF_HOST|BASH_ENV|\] ENV=/);
  });
});
