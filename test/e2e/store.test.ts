/** What several commands do to one store: cache, reproducibility, and commands at the same time. */
import { utimes } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, openBusyboxCli } from './bases.ts';
import { build, cachedSteps, tryBuild, writeFiles } from './projects.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => closeVerified(cli));

const KUBEFILE = `FROM busybox
ENV A=1
RUN echo run > /run-1
COPY one /one
RUN cat /one > /run-2
COPY two /two
RUN cat /two > /run-3
`;
const FILES = { one: '1', two: '2' };
const ARGS = ['--dialect', 'dockerfile'];

describeWith(['root', 'private-binfmt'], 'the cache', () => {
  it('gives the same digest again, all steps cached', async () => {
    const project = { kubefile: KUBEFILE, files: FILES, args: ARGS };
    const first = await build(cli, 'cached', project);
    expect(cachedSteps(first.log)).toEqual([]);
    const second = await build(cli, 'cached', { ...project, platforms: ['--platform', 'linux/arm64'] });
    expect(second.digest).toBe(first.digest);
    expect(cachedSteps(second.log)).toHaveLength(6);
    expect(second.log).not.toContain('emulation:'); // nothing is probed for a build that runs nothing
  });

  it('is not missed because of a modification time', async () => {
    const project = { kubefile: KUBEFILE, files: FILES, args: ARGS, folder: 'touched' };
    const first = await build(cli, 'touched', project);
    await utimes(cli.scratch.path('touched', 'one'), 1, 1);
    const args = [
      'build',
      '--emulate',
      'aarch64',
      '--pull',
      'never',
      ...ARGS,
      '-t',
      'touched',
      cli.scratch.path('touched'),
    ];
    expect(await cli.run(args)).toBe(first.digest);
  });

  it('is missed from the first changed file on', async () => {
    const project = { kubefile: KUBEFILE, files: FILES, args: ARGS, folder: 'changed' };
    await build(cli, 'changed', project);
    const { log } = await build(cli, 'changed', { ...project, files: { ...FILES, two: 'changed' } });
    expect(cachedSteps(log)).toEqual([
      'ENV A=1',
      'RUN echo run > /run-1',
      'COPY one /one',
      'RUN cat /one > /run-2',
    ]);
    expect(await cli.run(['run', 'changed', 'cat', '/run-3'])).toBe('changed');
  });

  it('is missed when a file’s mode changes, an ARG is used differently, or it is told so', async () => {
    const kubefile = 'FROM busybox\nARG V\nCOPY one /one\nRUN echo $V > /v\n';
    const project = { kubefile, files: FILES, folder: 'argued' };
    const args = (value: string): readonly string[] => [...ARGS, '--build-arg', `V=${value}`];
    await build(cli, 'argued', { ...project, args: args('1') });
    const other = await build(cli, 'argued', { ...project, args: args('2') });
    expect(cachedSteps(other.log)).toContain('COPY one /one');
    expect(cachedSteps(other.log)).not.toContain('RUN echo $V > /v');
    const none = await build(cli, 'argued', { ...project, args: [...args('1'), '--no-cache'] });
    expect(cachedSteps(none.log)).not.toContain('RUN echo $V > /v');
  });

  it('is not used for a step that failed', async () => {
    const kubefile = 'FROM busybox\nRUN echo tried && false\n';
    for (const time of [1, 2]) {
      const { status, stderr } = await tryBuild(cli, 'failing', { kubefile, args: ARGS });
      expect([time, status, /\] tried$/m.test(stderr)]).toEqual([time, 1, true]);
    }
  });
});

describeWith(['root', 'private-binfmt'], 'a build with --source-date-epoch', () => {
  it('gives the same digest in another store, at another time', async () => {
    await cli.run(['import', await busyboxRootfs(), 'base', '--platform', 'linux/arm64']);
    const archive = cli.scratch.path('base.tar');
    await cli.run(['save', '-o', archive, 'base']);
    const project = {
      kubefile:
        'FROM base\nCOPY one /x/one\nRUN date > /x/date-is-not-fixed; rm /x/date-is-not-fixed; echo x > /x/new\nWORKDIR /w\n',
      files: FILES,
      args: [...ARGS, '--source-date-epoch', '1600000000', '--no-cache'],
    };
    const first = await build(cli, 'fixed', { ...project, folder: 'fixed' });
    await using other = await openCli();
    await other.run(['load', '-i', archive]);
    await writeFiles(other.scratch.path('elsewhere'), project.files);
    await utimes(other.scratch.path('elsewhere', 'one'), 1_700_000_001, 1_700_000_001);
    const second = await build(other, 'fixed', { ...project, folder: 'elsewhere' });
    expect(second.digest).toBe(first.digest);
  });
});

describeWith(['root', 'private-binfmt'], 'commands at the same time', () => {
  it('build one thing twice: both get it', async () => {
    const project = {
      kubefile: 'FROM busybox\nRUN sleep 1; echo same > /same\nRUN echo more > /more\n',
      args: ARGS,
      folder: 'same',
    };
    const digests = await Promise.all(['same:1', 'same:2'].map((tag) => build(cli, tag, project)));
    for (const { digest } of digests) await cli.run(['verify', digest]);
    expect(await cli.run(['run', 'same:1', 'cat', '/same', '/more'])).toBe('same\nmore');
    expect(await cli.run(['run', 'same:2', 'cat', '/same', '/more'])).toBe('same\nmore');
  });

  it('build, remove and prune: nothing is lost under a build', async () => {
    await build(cli, 'gone', {
      kubefile: 'FROM busybox\nRUN echo gone > /gone\n',
      args: ARGS,
      folder: 'gone',
    });
    const lines = Array.from(
      { length: 6 },
      (_, index) => `RUN sleep 0.3; echo ${String(index)} > /${String(index)}\n`,
    );
    const building = build(cli, 'lasting', {
      kubefile: `FROM busybox\n${lines.join('')}`,
      args: ARGS,
      folder: 'lasting',
    });
    const others = [['rmi', 'gone'], ['prune'], ['images'], ['prune']].map((args) => cli.call(args));
    await building;
    for (const { status, stderr } of await Promise.all(others))
      expect({ status, stderr }).toMatchObject({ status: 0 });
    await cli.run(['verify', 'lasting']);
    expect(await cli.run(['run', 'lasting', 'sh', '-c', 'cat /0 /5'])).toBe('0\n5');
    expect((await cli.call(['inspect', 'gone'])).status).toBe(1);
  });

  it('keeps what is named, and removes the rest: prune, then rmi of everything', async () => {
    await cli.run(['prune']);
    await cli.run(['run', 'lasting', 'true']);
    const images = JSON.parse(await cli.run(['images', '--json'])) as { name: string }[];
    await cli.run(['rmi', ...images.map(({ name }) => name)]);
    await cli.run(['prune']);
    expect(JSON.parse(await cli.run(['images', '--json']))).toEqual([]);
  });
});
