/** Options of the command line that change what a Kubefile says: its base, the environment, labels, the image's annotations. */
import { mkdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, cachedSteps, tryBuild, writeFiles, type ProjectOptions } from './projects.ts';

let cli: Cli;
let baseDigest: string;

beforeAll(async () => {
  cli = await openBusyboxCli();
  const { digest } = await build(cli, 'labelled', {
    kubefile: 'FROM busybox\nLABEL a=1 b=2\nENV A=base PATH=/bin:/base\n',
    args: DATED,
  });
  baseDigest = digest;
});
afterAll(() => cli[Symbol.asyncDispose]());

const DATED = ['--dialect', 'dockerfile', '--source-date-epoch', '1500000000'];
const EMPTY = 'FROM scratch\n';

interface Built {
  readonly Env: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
}

const make = (
  kubefile: string,
  args: readonly string[] = [],
  options: ProjectOptions = {},
): ReturnType<typeof build> => build(cli, 'made', { kubefile, ...options, args: [...DATED, ...args] });

async function configOf(
  kubefile: string,
  args: readonly string[],
  options: ProjectOptions = {},
): Promise<Built> {
  await make(kubefile, args, options);
  return (JSON.parse(await cli.run(['inspect', '--format', 'config', 'made'])) as { config: Built }).config;
}

async function annotationsOf(
  kubefile: string,
  args: readonly string[] = [],
): Promise<Record<string, string> | undefined> {
  await make(kubefile, args);
  const manifest = JSON.parse(await cli.run(['inspect', '--format', 'manifest', 'made'])) as {
    annotations?: Record<string, string>;
  };
  return manifest.annotations;
}

describeWith(['root'], '--env, --unsetenv and --unsetlabel', () => {
  it('set variables at the beginning of every stage', async () => {
    const { Env } = await configOf(EMPTY, [
      '--env',
      'PATH=/x',
      '--env',
      `A=$A 'q' "d" \\n`,
      '--env',
      'NOT_SET_ANYWHERE',
    ]);
    expect(Env).toEqual(['PATH=/x', `A=$A 'q' "d" \\n`]);
    const kubefile =
      'FROM labelled AS first\nRUN echo "$A $B" > /said\nFROM scratch\nENV A=own$B\nCOPY --from=first /said /\n';
    const options = { env: { B: 'here' } };
    expect((await configOf(kubefile, ['--env', 'A=cli', '--env', 'B'], options)).Env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'A=ownhere',
      'B=here',
    ]);
    expect((await make(kubefile, ['--env', 'A=cli', '--env', 'B'], options)).log).toContain(
      'cached RUN echo',
    );
    expect((await make(kubefile, ['--env', 'A=other', '--env', 'B'], options)).log).not.toContain(
      'cached RUN echo',
    );
    const archived = await cli.run(['run', 'labelled', 'sh', '-c', 'echo $A']);
    expect(archived).toBe('base');
  });

  it('take away what anybody has set', async () => {
    const args = [
      '--unsetenv',
      'PATH',
      '--unsetenv',
      'A',
      '--env',
      'A=x',
      '--unsetlabel',
      'a',
      '--unsetlabel',
      'z',
    ];
    const { Env, Labels } = await configOf('FROM labelled\nLABEL z=1\n', [...args, '--label', 'new=1']);
    expect(Env).toEqual([]);
    expect(Labels).toEqual({ b: '2', new: '1' });
  });
});

describeWith(['root'], '--from', () => {
  it('takes the place of the first base, and of no other', async () => {
    const kubefile = 'FROM nowhere/to/be/found AS first\nLABEL c=3\nFROM first\nLABEL d=4\n';
    expect((await configOf(kubefile, ['--from', 'labelled'])).Labels).toEqual({
      a: '1',
      b: '2',
      c: '3',
      d: '4',
    });
    expect((await configOf(kubefile, ['--from', 'scratch'])).Labels).toEqual({ c: '3', d: '4' });
    const plan = await cli.run([
      'build',
      '--plan',
      '--from',
      'labelled',
      '-f',
      `${cli.scratch.path('context')}/Kubefile`,
      '--dialect',
      'dockerfile',
      '/',
    ]);
    expect(plan).toContain('docker.io/library/labelled:latest for linux/amd64');
    const bad = await tryBuild(cli, 'bad', { kubefile, args: ['--from', 'NOT//good'] });
    expect([bad.status, bad.stderr]).toEqual([1, expect.stringContaining('NOT//good')]);
  });
});

describeWith(['root'], 'the annotations of the base', () => {
  const NAME = 'org.opencontainers.image.base.name';
  const DIGEST = 'org.opencontainers.image.base.digest';

  it('name the image that the last stage stands on', async () => {
    const expected = { [NAME]: 'docker.io/library/labelled:latest', [DIGEST]: baseDigest };
    expect(await annotationsOf('FROM labelled\nRUN echo > /x\n')).toEqual(expected);
    expect(await annotationsOf('FROM labelled AS a\nENV C=1\nFROM a\n')).toEqual(expected);
    expect(
      await annotationsOf('FROM labelled AS a\nFROM scratch\nCOPY --from=a /bin/sh /\n'),
    ).toBeUndefined();
    const annotation = ['--annotation', `${NAME}=`, '--annotation', `${DIGEST}=`, '--annotation', 'x='];
    expect(await annotationsOf('FROM labelled\nENV C=1\n', annotation)).toEqual({ x: '' });
    expect(await annotationsOf('FROM labelled\nENV C=1\n', ['--annotation', `${NAME}=mine`])).toMatchObject({
      [NAME]: 'mine',
    });
  });

  it('are of no image that only is its base', async () => {
    expect(await annotationsOf('FROM labelled\n')).toBeUndefined();
    expect(await annotationsOf('FROM labelled\n', ['--label', 'l=1'])).toMatchObject({
      [DIGEST]: baseDigest,
    });
  });

  it('follow named contexts, and know no name of a layout', async () => {
    const image = await annotationsOf('FROM x\nENV C=1\n', ['--build-context', 'x=docker-image://labelled']);
    expect(image).toEqual({ [NAME]: 'docker.io/library/labelled:latest', [DIGEST]: baseDigest });
    const archive = cli.scratch.path('labelled.tar');
    await cli.run(['save', '-o', archive, 'labelled']);
    const layout = cli.scratch.path('layout');
    await mkdir(layout);
    await runTool('tar', ['-xf', archive, '-C', layout]);
    const unnamed = await annotationsOf('FROM x\nENV C=1\n', ['--build-context', `x=oci-layout://${layout}`]);
    expect(unnamed).toEqual({ [DIGEST]: baseDigest });
  });

  it('change nothing for the cache, and are the same each time', async () => {
    const first = await make('FROM labelled\nRUN echo twice > /x\n');
    const second = await make('FROM labelled\nRUN echo twice > /x\n', ['--annotation', 'y=1']);
    expect(cachedSteps(second.log)).toHaveLength(1);
    expect((await make('FROM labelled\nRUN echo twice > /x\n', ['--no-cache'])).digest).toBe(first.digest);
  });
});

describeWith(['root'], 'several files', () => {
  it('are read as one: the last FROM counts, wherever it is', async () => {
    const folder = cli.scratch.path('several');
    await writeFiles(folder, {
      'a.dockerfile': 'FROM labelled\nLABEL c=3',
      'b.dockerfile': 'LABEL d=4\n',
      c: 'FROM scratch\n',
    });
    const files = ['-f', `${folder}/a.dockerfile`, '-f', `${folder}/b.dockerfile`];
    const make = ['build', '--emulate', 'aarch64', ...DATED, '-t', 'several'];
    const labels = async (): Promise<unknown> =>
      (JSON.parse(await cli.run(['inspect', '--format', 'config', 'several'])) as { config: Built }).config
        .Labels;
    await cli.run([...make, ...files, folder]);
    expect(await labels()).toEqual({ a: '1', b: '2', c: '3', d: '4' });
    await cli.run([...make, ...files, '-f', `${folder}/c`, folder]);
    expect(await labels()).toBeUndefined();
    const bad = await cli.call([...make, ...files, '-f', '-', folder], { input: 'NOPE\n' });
    expect(bad.stderr).toMatch(/a\.dockerfile \+ \S*b\.dockerfile \+ stdin:5:1/);
  });
});

describeWith(['root'], 'what a build tells', () => {
  it('goes to files by platform, with what each step has used', async () => {
    const log = cli.scratch.path('build.log');
    const usage = cli.scratch.path('usage.log');
    const args = ['--no-cache', '--logfile', log, '--logsplit', '--log-rusage', '--rusage-logfile', usage];
    const kubefile = 'FROM labelled AS a\nRUN echo said\nFROM a\nCOPY Kubefile /\n';
    expect((await make(kubefile, args)).log).toBe('');
    const lines = (await readFile(`${log}_linux_arm64`, 'utf8')).trimEnd().split('\n');
    expect(lines.shift()).toMatch(/^emulation: /);
    expect(lines.map((line) => line.replace(/done in .*/, 'done'))).toEqual([
      '[linux/arm64 a] FROM labelled',
      '[linux/arm64 a 1/1] RUN echo said',
      '[linux/arm64 a 1/1] said',
      '[linux/arm64 a 1/1] done',
      '[linux/arm64 1] FROM a',
      '[linux/arm64 1 1/1] COPY Kubefile /',
      '[linux/arm64 1 1/1] done',
    ]);
    const used = (await readFile(usage, 'utf8')).trimEnd().split('\n');
    expect(used.map((line) => /^\[[^\]]*\]/.exec(line)?.[0])).toEqual([
      '[linux/arm64 a 1/1]',
      '[linux/arm64 1 1/1]',
      '[build]',
    ]);
    for (const line of used)
      expect(line).toMatch(/ \S+s\(system\) \S+s\(user\) \S+s\(elapsed\) .* input .* output, .* peak$/);
  });

  it('says of a failure what it always says, whatever the log has', async () => {
    const log = cli.scratch.path('failed.log');
    const options = {
      kubefile: 'FROM labelled\nRUN echo before; exit 3\n',
      args: [...DATED, '--logfile', log],
    };
    const { status, stderr } = await tryBuild(cli, 'failed', options);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^error\[RUN_FAILED\] .*:2:1: /) as unknown]);
    expect(await readFile(log, 'utf8')).toContain('before\n');
  });

  it('is of stages that nothing needs only where those are wanted', async () => {
    const kubefile = 'FROM labelled AS unused\nRUN echo unused\nFROM scratch\nENV A=1\n';
    expect((await make(kubefile)).log).not.toContain('unused');
    expect((await make(kubefile, ['--skip-unused-stages', 'false'])).log).toContain(
      '[linux/arm64 unused 1/1] unused',
    );
  });
});
