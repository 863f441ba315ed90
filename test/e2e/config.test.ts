/** A config file seen by the built program: in front and behind, from the environment, as an ordinary user. */
import { chmod } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callProgram, openCli, type Cli } from '../support/cli.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { STACK_TRACE, writeFiles } from './projects.ts';

const CONFIG = `
root: store-of-config
platform: [linux/s390x, linux/arm64]
label: { from: config }
source-date-epoch: 0
images:
  format: json
`;

let cli: Cli;
let config: string;
let context: string;

beforeAll(async () => {
  cli = await openCli();
  config = await cli.scratch.write('config.yaml', CONFIG);
  context = cli.scratch.path('context');
  await writeFiles(context, { Kubefile: 'FROM scratch\nCOPY file /file\n', file: 'file\n' });
});
afterAll(() => cli[Symbol.asyncDispose]());

interface Inspected {
  readonly platforms: readonly { platform: string; config: { created: string; config: object } }[];
}

describeWith(['root'], 'a config file', () => {
  const env = { ARCH_BUILD_ROOT: undefined };

  it('says what nobody else says, wherever it is named', async () => {
    const digest = await cli.run(['--config', config, 'build', '-t', 'app', context], { env });
    expect(await cli.run(['-t', 'app', context, '--config', config], { env })).toBe(digest);
    expect(await cli.run(['-t', 'app', context], { env: { ...env, ARCH_BUILD_CONFIG: config } })).toBe(
      digest,
    );
    expect(existsSync(cli.scratch.path('store-of-config/oci-layout'))).toBe(true);
    const { platforms } = JSON.parse(
      await cli.run(['inspect', 'app', '--config', config], { env }),
    ) as Inspected;
    expect(platforms.map(({ platform }) => platform).sort()).toEqual(['linux/arm64', 'linux/s390x']);
    for (const each of platforms)
      expect(each.config).toMatchObject({
        created: '1970-01-01T00:00:00.000Z',
        config: { Labels: { from: 'config' } },
      });
    expect(JSON.parse(await cli.run(['images', '--config', config], { env }))).toHaveLength(1);
  });

  it('gives way to the command line and to the environment', async () => {
    await cli.run(['--config', config, '--platform', 'linux/riscv64', '-t', 'other', context]);
    const { platforms } = JSON.parse(await cli.run(['inspect', 'other'])) as Inspected;
    expect(platforms.map(({ platform }) => platform)).toEqual(['linux/riscv64']); // in $ARCH_BUILD_ROOT
    expect(await cli.run(['images', '--format', 'table', '--config', config])).toMatch(/^NAME/);
    expect(await cli.run(['images', '--json', '--config', config])).toMatch(/^\[/);
  });

  it('with a mistake stops every command, and says where', async () => {
    const wrong = await cli.scratch.write('wrong.yaml', 'jobs: 2\nplatfrom: linux/arm64\n');
    for (const args of [['images'], ['build', context], ['binfmt', 'ls']]) {
      const { status, stdout, stderr } = await cli.call([...args, '--config', wrong]);
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toMatch(
        /wrong\.yaml:2:1: [^]*\n {2}2 \| platfrom: linux\/arm64\n[^]*did you mean platform\?/,
      );
      expect(stderr).not.toMatch(STACK_TRACE);
    }
    expect((await callProgram(['--config', wrong, '--version'])).status).toBe(0);
  });
});

describeWith(['root', 'command:setpriv'], 'a config file of an ordinary user', () => {
  it('is read by the program in its namespace, too', async () => {
    await using user = await openUserCli({ subordinateIds: 65_536 });
    const path = await user.scratch.write('config.yaml', 'label: [by=user]\nplatform: linux/arm64\n');
    await chmod(path, 0o644);
    const place = user.scratch.path('context');
    await writeFiles(place, { Kubefile: 'FROM scratch\nCOPY file /file\n', file: 'file\n' });
    await user.run(['--config', path, '-t', 'app', place]);
    const { platforms } = JSON.parse(await user.run(['inspect', 'app'])) as Inspected;
    expect(platforms).toMatchObject([
      { platform: 'linux/arm64', config: { config: { Labels: { by: 'user' } } } },
    ]);
  });
});
