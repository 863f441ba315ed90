/** The built program as such: what it answers, where it prints, and that a call leaves the host as it was. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callProgram, openCli } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};

describe('the built program', () => {
  it('says its version, the one of the package', async () => {
    expect(await callProgram(['--version'])).toEqual({
      status: 0,
      signal: null,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  it('prints help as an answer', async () => {
    const { status, stdout, stderr } = await callProgram(['--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('arch-build');
  });

  it.each([
    { name: 'an unknown option', args: ['images', '--no-such-option'] },
    { name: 'an operand missing', args: ['rmi'] },
    { name: 'an empty root', args: ['--root', '', 'images'] },
  ])('calls $name wrong usage, on standard error only', async ({ args }) => {
    await using cli = await openCli();
    const { status, stdout, stderr } = await cli.call(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  it('lists the images of an empty store and leaves the host as it was', async () => {
    await using cli = await openCli();
    const before = captureCliState(cli);
    expect(JSON.parse(await cli.run(['images', '--format', 'json']))).toEqual([]);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });
});
