/** `--build-context`: what takes the place of an image, of a stage and of what `from=` names. */
import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, cachedSteps, STACK_TRACE, tryBuild, writeFiles } from './projects.ts';
import { readSaved } from './saved-image.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;
let directory: string;
let layout: string;

beforeAll(async () => {
  cli = await openBusyboxCli();
  directory = cli.scratch.path('named');
  await writeFiles(directory, {
    a: 'A',
    'd/b': 'B',
    secret: 'S',
    '.dockerignore': 'secret\n.dockerignore\n',
  });
  await runTool('chown', ['-R', '5:6', directory]);
  layout = cli.scratch.path('layout');
  await mkdir(layout);
  await build(cli, 'kept:v2', {
    kubefile: 'FROM busybox\nENV WHERE=layout\nRUN echo layout > /where\n',
    args: ARGS,
  });
  await cli.run(['save', 'kept:v2', '-o', `${layout}.tar`]);
  await runTool('tar', ['-xf', `${layout}.tar`, '-C', layout]);
  await cli.run(['rmi', 'kept:v2']);
});
afterAll(() => closeVerified(cli));

const ARGS = ['--dialect', 'dockerfile', '--offline'];
const TREE = { a: 'file 0644 0:0 A', 'd/': 'dir 0755 0:0', 'd/b': 'file 0644 0:0 B' };

const contextArgs = (...contexts: readonly string[]): string[] => [
  ...ARGS,
  ...contexts.flatMap((context) => ['--build-context', context]),
];

describeWith(['root', 'private-binfmt'], 'a directory', () => {
  it('is copied and mounted from, root’s and without what its own ignore file excludes', async () => {
    const kubefile = `FROM busybox AS run
RUN --mount=from=src,target=/m --mount=from=src,source=d,target=/n cd /m && echo "$(find . | sort | tr '\\n' ' ')$(cat /n/b) $(stat -c %u:%g a)" > /seen
FROM scratch
COPY --from=src . /x/
COPY --from=run /seen /
`;
    await build(cli, 'copied', { kubefile, args: contextArgs(`src=${directory}`) });
    const { layers } = await readSaved(cli, 'copied');
    expect(layers).toEqual([
      { 'x/': 'dir 0755 0:0', 'x/a': TREE.a, 'x/d/': TREE['d/'], 'x/d/b': TREE['d/b'] },
      { seen: 'file 0644 0:0 . ./a ./d ./d/b B 0:0' },
    ]);
    const { status, stderr } = await tryBuild(cli, 'excluded', {
      kubefile: 'FROM scratch\nCOPY --from=src secret /\n',
      args: contextArgs(`src=${directory}`),
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${directory}/.dockerignore excludes it`)]);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('is what FROM begins with, and a cache hit while it stays as it is', async () => {
    const kubefile = 'FROM nobody/has:it AS base\nFROM base\nENV A=1\n';
    const args = contextArgs(`nobody/has:it=${directory}`);
    await build(cli, 'based', { kubefile, args });
    const { config, layers } = await readSaved(cli, 'based');
    expect(layers).toEqual([TREE]);
    expect(config.history.map(({ created_by }) => created_by)).toEqual([
      'COPY --from=nobody/has:it . /',
      'ENV A=1',
    ]);
    const again = await build(cli, 'based', { kubefile, args });
    expect(cachedSteps(again.log)).toEqual(['FROM nobody/has:it', 'ENV A=1']);
    await writeFiles(directory, { a: 'A2' });
    const changed = await build(cli, 'based', { kubefile, args });
    await writeFiles(directory, { a: 'A' });
    expect(cachedSteps(changed.log)).not.toContain('FROM nobody/has:it');
  });

  it('is what a name means whose stage comes later, but nothing that its own stage may copy from', async () => {
    const later = 'FROM scratch AS first\nCOPY --from=deps /d /d\nFROM busybox AS deps\nRUN false\n';
    const args = [...contextArgs(`deps=${directory}`), '--target', 'first'];
    await build(cli, 'before', { kubefile: later, args });
    expect((await readSaved(cli, 'before')).layers).toEqual([{ 'd/': TREE['d/'], 'd/b': TREE['d/b'] }]);
    for (const own of [
      'COPY --from=deps /d /d',
      'COPY --from=0 /d /d',
      'RUN --mount=from=Deps,target=/m true',
    ]) {
      const kubefile = `FROM busybox AS deps\n${own}\n`;
      const { status, stderr } = await tryBuild(cli, 'never', {
        kubefile,
        args: contextArgs(`deps=${directory}`),
      });
      expect(status).toBe(1);
      expect(stderr).toContain('Kubefile:2:');
      expect(stderr).toContain('circular dependency detected on stage');
    }
  });

  it('takes the place of a stage, of which nothing is run then', async () => {
    const kubefile = 'FROM nobody/has:it AS deps\nRUN false\nFROM scratch\nCOPY --from=deps /d /d\n';
    await build(cli, 'replaced', { kubefile, args: contextArgs(`deps=${directory}`) });
    expect((await readSaved(cli, 'replaced')).layers).toEqual([{ 'd/': TREE['d/'], 'd/b': TREE['d/b'] }]);
    const plan = await tryBuild(cli, 'replaced', {
      kubefile,
      args: [...contextArgs(`deps=${directory}`), '--plan'],
    });
    expect(plan.stdout).toMatch(/from +deps for linux\/arm64: a named build context/);
  });
});

describeWith(['root'], 'a name that nobody uses', () => {
  it('is warned of, by the name it was given', async () => {
    const kubefile =
      'FROM scratch AS deps\nCOPY --from=src --parents d/b /\nFROM scratch\nCOPY --from=deps / /\n';
    const args = contextArgs(`src=${directory}`, `deps:latest=${directory}`, `x/y:1=${directory}`);
    const { log } = await build(cli, 'warned', { kubefile, args: [...args, '--dialect', 'dockerfile'] });
    expect(log.match(/--build-context \S+ is not used/g)).toEqual([
      '--build-context src is not used',
      '--build-context x/y:1 is not used',
    ]); // the stage that wanted src is not run
    const used = await build(cli, 'warned', { kubefile, args: contextArgs(`src=${directory}`) });
    expect(used.log).not.toContain('is not used');
    expect(used.log).toContain('COPY --from=src --parents d/b /');
    const plan = await tryBuild(cli, 'warned', {
      kubefile,
      args: [...contextArgs(`src=${directory}`), '--plan'],
    });
    expect(plan.stdout).toContain('= COPY --parents --from=src d/b /');
  });
});

describeWith(['root', 'private-binfmt'], 'an image', () => {
  it('of the store stands for another one', async () => {
    const kubefile =
      'FROM nobody/has:it\nCOPY --from=nor/that /bin/busybox /copy\nRUN cmp /copy /bin/busybox\n';
    const args = contextArgs(
      'nobody/has:it=docker-image://busybox',
      'nor/that=docker-image://busybox:latest',
    );
    await build(cli, 'stand-in', { kubefile, args });
    expect((await readSaved(cli, 'stand-in')).layers).toHaveLength(2);
  });

  it('of a layout is found by its tag, by its digest and as the only one', async () => {
    const kubefile = 'FROM nobody/has:it\nRUN test "$WHERE" = layout && cp /where /there\n';
    const index = JSON.parse(await runTool('cat', [`${layout}/index.json`])) as {
      manifests: { digest: string }[];
    };
    for (const suffix of ['', ':v2', `@${index.manifests[0]!.digest}`]) {
      await build(cli, 'laid-out', {
        kubefile,
        args: contextArgs(`nobody/has:it=oci-layout://${layout}${suffix}`),
      });
      expect((await readSaved(cli, 'laid-out')).layers.at(-1)).toEqual({ there: 'file 0644 0:0 layout' });
    }
    const args = contextArgs(`nobody/has:it=oci-layout://${layout}:v3`);
    const { status, stderr } = await tryBuild(cli, 'laid-out', { kubefile, args });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/Kubefile:1:1: .*does not have v3/s)]);
  });

  it('that is not here is said to be missing under its own name', async () => {
    const args = contextArgs('x=docker-image://not/here:3');
    const { status, stderr } = await tryBuild(cli, 'missing', { kubefile: 'FROM x\nRUN true\n', args });
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/image docker\.io\/not\/here:3 for linux\/arm64/),
    ]);
  });
});
