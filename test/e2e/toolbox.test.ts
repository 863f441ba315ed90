/** A rootfs of data alone: a Kubefile's RUN is lent a shell and tools, and none of it reaches the image. */
import { join } from 'node:path';
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs } from './bases.ts';
import { build, cachedSteps, STACK_TRACE, tryBuild, writeFiles } from './projects.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;
/** A static arm64 busybox. */
let busybox: string;
beforeAll(async () => {
  cli = await openCli();
  const unpacked = cli.scratch.path('unpacked');
  await mkdir(unpacked);
  await runTool('tar', ['-xf', await busyboxRootfs(), '-C', unpacked, './bin/busybox']);
  busybox = join(unpacked, 'bin/busybox');
  await importDirectory('data', { data: 'b\na\n' });
});
afterAll(() => closeVerified(cli));

async function importDirectory(name: string, etc: Readonly<Record<string, string>>): Promise<void> {
  const directory = cli.scratch.path(`rootfs-${name}`);
  await mkdir(join(directory, 'etc'), { recursive: true });
  for (const [file, text] of Object.entries(etc)) await writeFile(join(directory, 'etc', file), text);
  const archive = `${directory}.tar`;
  await runTool('tar', ['-cf', archive, '--owner=0', '--group=0', '-C', directory, '.']);
  await cli.run(['import', archive, name, '--platform', 'linux/arm64']);
}

/** Every path of the image's layers. */
async function pathsOf(image: string): Promise<string[]> {
  const directory = cli.scratch.path(`saved-${image}`);
  await mkdir(directory);
  await cli.run(['save', image, '-o', `${directory}.tar`]);
  await runTool('tar', ['-xf', `${directory}.tar`, '-C', directory]);
  const script = 'for blob in "$0"/blobs/sha256/*; do tar -tf "$blob" 2>/dev/null || true; done';
  return (await runTool('sh', ['-c', script, directory])).split('\n').filter((line) => line !== '');
}

const importToolbox = (): Promise<string> => cli.run(['emulators', 'import', busybox]);
const removeToolbox = (): Promise<void> => rm(join(cli.root, 'toolbox'), { recursive: true, force: true });

const SCRIPT = '#!/bin/sh\necho "$0 on $(uname -m)" | tr a-z A-Z > /script\n';
const KUBEFILE = `FROM data
COPY run.sh /opt/
RUN sort < /etc/data | tr '\\n' ' ' > /sorted && uname -m > /machine && rm /etc/data
RUN chmod 755 /opt/run.sh && /opt/run.sh && mkdir -p /usr/bin && cp /sorted /usr/bin/tool
RUN cat /sorted /machine /script; echo "PATH=$PATH"; ls /dev/toolbox/bin/sort
`;
const SHOWN = [
  'a b aarch64',
  '/OPT/RUN.SH ON AARCH64',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/dev/toolbox/bin',
  '/dev/toolbox/bin/sort',
];

describeWith(['root', 'private-binfmt'], 'a rootfs without a shell', () => {
  it.each(['kubefile-v1', 'kubefile-v2'])(
    'is lent one in a %s, for the time of the step',
    async (dialect) => {
      await importToolbox();
      const project = { kubefile: KUBEFILE, files: { 'run.sh': SCRIPT }, args: ['--dialect', dialect] };
      const tag = `lent-${dialect}`;
      const { log } = await build(cli, tag, { ...project, args: [...project.args, '--no-cache'] });
      for (const line of SHOWN) expect(log).toContain(`4/4] ${line}\n`);
      expect(log).toMatch(
        /no \/bin\/sh: this step is lent .*busybox 1\.\S+ for aarch64, sha256 [0-9a-f]{12}/,
      );
      expect(new Set(await pathsOf(tag))).toEqual(
        new Set(
          ['etc/', 'etc/.wh.data', 'etc/data', 'machine', 'opt/', 'opt/run.sh', 'script', 'sorted'].concat([
            'usr/',
            'usr/bin/',
            'usr/bin/tool',
          ]),
        ),
      );
      await cli.run(['verify', tag]);
      expect(cachedSteps((await build(cli, tag, project)).log)).toHaveLength(4);
    },
  );

  it('runs its steps again when another toolbox lends the shell', async () => {
    await importToolbox();
    const project = { kubefile: 'FROM data\nRUN true\n' };
    await build(cli, 'again', project);
    const folder = cli.scratch.path('other');
    await mkdir(folder);
    await runTool('sh', ['-c', 'cat "$0" > "$1" && echo >> "$1"', busybox, join(folder, 'busybox-aarch64')]);
    const env = { ARCH_BUILD_TOOLBOX: folder };
    expect(cachedSteps((await build(cli, 'again', { ...project, env })).log)).toEqual([]);
    expect(cachedSteps((await build(cli, 'again', { ...project, env })).log)).toEqual(['RUN true']);
  });

  it('has its toolbox in an export of emulators, and doctor misses one that is not there', async () => {
    await importToolbox();
    const file = cli.scratch.path('export.tar');
    await cli.run(['emulators', 'export', '-o', file, 'aarch64']);
    await removeToolbox();
    const doctor = ['doctor', '--platform', 'linux/arm64'];
    expect((await cli.call(doctor)).stdout).toMatch(
      /· toolboxes: none for aarch64\n.*\n +fix: arch-build .*emulators fetch --toolbox aarch64/,
    );
    await cli.run(['emulators', 'import', file]);
    expect((await cli.call(doctor)).stdout).toMatch(/✓ toolboxes: aarch64: .*\(busybox 1\.\S+, store\)/);
  });

  it('is an error that says what to do where there is no toolbox', async () => {
    await removeToolbox();
    const { status, stderr } = await tryBuild(cli, 'none', { kubefile: 'FROM data\nRUN echo missing\n' });
    expect(status).toBe(3);
    expect(stderr).toMatch(/Kubefile:2:1: the rootfs has no \/bin\/sh, .* no toolbox for aarch64/);
    expect(stderr).toMatch(/hint: .*busybox-static_\*_arm64\.deb/);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('is refused a toolbox of another machine, or that is none', async () => {
    const folder = cli.scratch.path('wrong');
    await mkdir(folder, { recursive: true });
    const env = { ARCH_BUILD_TOOLBOX: folder };
    for (const [content, says] of [
      ['#!/bin/sh\n', /busybox-aarch64 is not an ELF program, so it cannot be the toolbox/],
      ['', /busybox-aarch64 is not an ELF program/],
    ] as const) {
      await writeFile(join(folder, 'busybox-aarch64'), content);
      const { status, stderr } = await tryBuild(cli, 'wrong', { kubefile: 'FROM data\nRUN pwd\n', env });
      expect(status).toBe(3);
      expect(stderr).toMatch(says);
    }
  });

  it('keeps BuildKit’s error in a Dockerfile, and with the exec form', async () => {
    await importToolbox();
    const shell = { kubefile: 'FROM data\nRUN echo x\n', args: ['--dialect', 'dockerfile'] };
    const exec = {
      kubefile: 'FROM data\nRUN ["/bin/sh", "-c", "echo x"]\n',
      args: ['--dialect', 'kubefile-v2'],
    };
    for (const project of [shell, exec]) {
      const { status, stderr } = await tryBuild(cli, 'error', project);
      expect(status).toBe(1);
      expect(stderr).toMatch(/cannot start "\/bin\/sh": ENOENT\n[^]*hint: .*Kubefile is lent one/);
    }
  });
});

describeWith(['root', 'private-binfmt'], 'a kit', () => {
  it('has the toolbox that its Kubefile needs, and builds with it', async () => {
    await importToolbox();
    const context = cli.scratch.path('kitted');
    await writeFiles(context, { Kubefile: 'FROM data\nRUN sort /etc/data > /sorted && cat /sorted\n' });
    const kit = cli.scratch.path('kit.tar');
    await cli.run(['--offline', 'kit', '--emulate', 'aarch64', '-o', kit, context]);
    const names = await runTool('tar', ['-tf', kit]);
    expect(names).toContain('arch-build-kit/toolbox/busybox-aarch64\n');
    expect(names).toMatch(/licences\/busybox-aarch64-1\.\S+\.txt/);
    await removeToolbox();
    const place = cli.scratch.path('carried');
    await mkdir(place);
    await runTool('tar', ['-xf', kit, '-C', place]);
    const words = ['--root', join(place, 'store'), '--offline', '--emulate', 'aarch64', '-t', 'x', context];
    await runTool(join(place, 'arch-build-kit/arch-build'), words);
    await writeFiles(context, { Dockerfile: 'FROM data\nRUN ["/bin/true"]\n' });
    await cli.run([
      '--offline',
      'kit',
      '--emulate',
      'aarch64',
      '-o',
      kit,
      '-f',
      join(context, 'Dockerfile'),
      context,
    ]);
    expect(await runTool('tar', ['-tf', kit])).not.toContain('toolbox/');
  });
});

describeWith(['root', 'private-binfmt', 'command:newuidmap'], 'without root', () => {
  it('a step is lent a shell, too', async () => {
    await using user = await openUserCli({ subordinateIds: 65_536 });
    const archive = user.scratch.path('data.tar');
    await copyFile(`${cli.scratch.path('rootfs-data')}.tar`, archive);
    const program = user.scratch.path('busybox');
    await copyFile(busybox, program);
    for (const path of [archive, program]) await chmod(path, 0o644);
    await user.run(['import', archive, 'data', '--platform', 'linux/arm64']);
    await user.run(['emulators', 'import', program]);
    const kubefile = 'FROM data\nRUN sort /etc/data | tr -d "\\n"; ls -ld /dev/toolbox/bin; touch /made\n';
    const context = user.scratch.path('context');
    await writeFiles(context, { Kubefile: kubefile });
    const { status, stderr } = await user.call(['build', '--emulate', 'aarch64', '-t', 'lent', context]);
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/lent shell and tools.*\] ab.*\/dev\/toolbox\/bin/s),
    ]);
  });
});
