/** What is refused: the right exit status, a message that says what to do, no stack trace, and nothing half made. */
import { chmod, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CallOptions, type Cli, type Outcome } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, openBusyboxCli } from './bases.ts';
import { build, STACK_TRACE, tryBuild, writeFiles } from './projects.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
  await build(cli, 'kept', { kubefile: 'FROM busybox\nRUN echo kept > /kept\n', folder: 'kept' });
});
afterAll(() => cli[Symbol.asyncDispose]());

interface Refusal {
  readonly status: number;
  readonly says: readonly (string | RegExp)[];
}

function expectRefusal({ status, stdout, stderr }: Outcome, expected: Refusal): void {
  expect({ status, stdout }, stderr).toEqual({ status: expected.status, stdout: '' });
  for (const words of expected.says) expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(STACK_TRACE);
}

/** Names in the store; every image of it is whole, and pruning works. */
async function expectSoundStore(names: readonly string[]): Promise<void> {
  const images = JSON.parse(await cli.run(['images', '--json'])) as { name: string | null; digest: string }[];
  expect(images.map(({ name }) => name).sort()).toEqual([...names].sort());
  for (const { name, digest } of images) await cli.run(['verify', name ?? digest]);
  await cli.run(['prune']);
  expect(await cli.run(['run', 'kept', 'cat', '/kept'])).toBe('kept');
}

/** A store at the root of a small file system of its own. */
async function withFileSystem(
  options: string,
  use: (call: (args: readonly string[], more?: CallOptions) => Promise<Outcome>) => Promise<void>,
): Promise<void> {
  const directory = cli.scratch.path('file-system');
  await mkdir(directory);
  await runTool('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]);
  try {
    await use((args, more = {}) => cli.call(args, { ...more, env: { ARCH_BUILD_ROOT: directory } }));
  } finally {
    await runTool('umount', [directory]);
    await rmdir(directory);
  }
}

const STORED = ['docker.io/library/busybox:latest', 'docker.io/library/kept:latest'];

describeWith(['root', 'private-binfmt'], 'a build that is refused', () => {
  interface Case extends Refusal {
    readonly name: string;
    readonly text: string;
    readonly args?: readonly string[];
  }
  const cases: readonly Case[] = [
    {
      name: 'an unknown instruction',
      text: 'FROM busybox\nRUNN x\n',
      status: 1,
      says: [/Kubefile:2:1/, 'RUNN x', /RUN\b/],
    },
    { name: 'an instruction before FROM', text: 'RUN x\n', status: 1, says: [/Kubefile:1:1/] },
    { name: 'an empty file', text: '', status: 1, says: [/Kubefile/] },
    {
      name: 'a heredoc without end',
      text: 'FROM busybox\nRUN <<EOF\nx\n',
      status: 1,
      says: [/Kubefile:2/, 'EOF'],
    },
    {
      name: 'a base the store lacks',
      text: 'FROM nothing:1\n',
      status: 1,
      says: ['nothing:1', /hint: .*(pull|load|import)/],
    },
    { name: 'a base that is no reference', text: 'FROM UPPER\n', status: 1, says: [/Kubefile:1:/, 'UPPER'] },
    {
      name: 'a base of another platform',
      text: 'FROM --platform=linux/s390x busybox\n',
      status: 1,
      says: ['linux/s390x', /it exists for linux\/arm64/],
    },
    {
      name: 'a command that fails',
      text: 'FROM busybox\nRUN echo before && false\n',
      status: 1,
      says: [/Kubefile:2:1/, 'exited with status 1', 'RUN echo before && false'],
    },
    {
      name: 'a command with a status of its own',
      text: 'FROM busybox\nRUN exit 42\n',
      status: 1,
      says: ['exited with status 42'],
    },
    {
      name: 'a command that is killed',
      text: 'FROM busybox\nRUN ["/bin/sh", "-c", "kill -9 $$"]\n',
      status: 1,
      says: ['SIGKILL'],
    },
    {
      name: 'a program the image lacks',
      text: 'FROM busybox\nRUN ["/no/such"]\n',
      status: 1,
      says: ['/no/such', 'ENOENT', /hint: the image has no such program/],
    },
    {
      name: 'a RUN without a shell',
      text: 'FROM scratch\nRUN true\n',
      args: ['--dialect', 'dockerfile'],
      status: 1,
      says: ['/bin/sh', /hint: .*shell form needs \/bin\/sh/],
    },
    {
      name: 'a file the context lacks',
      text: 'FROM busybox\nCOPY nope /\n',
      status: 1,
      says: [/Kubefile:2:/, 'nope'],
    },
    {
      name: 'a stage that is not there',
      text: 'FROM busybox\n',
      args: ['--target', 'nosuch'],
      status: 1,
      says: ['nosuch'],
    },
    {
      name: 'a platform that is none',
      text: 'FROM busybox\n',
      args: ['--platform', 'linux/mips9000'],
      status: 1,
      says: ['mips9000'],
    },
    {
      name: 'a tag that is none',
      text: 'FROM busybox\n',
      args: ['-t', 'UPPER CASE'],
      status: 1,
      says: ['UPPER CASE'],
    },
    {
      name: 'an unknown option',
      text: 'FROM busybox\n',
      args: ['--no-such-option'],
      status: 2,
      says: ['--no-such-option'],
    },
    {
      name: 'an option without its value',
      text: 'FROM busybox\n',
      args: ['--source-date-epoch', 'yesterday'],
      status: 2,
      says: ['source-date-epoch'],
    },
    {
      name: 'an emulator that is not there',
      text: 'FROM busybox\nRUN true\n',
      args: ['--emulator', '/no/such/qemu', '--no-cache'],
      status: 3,
      says: ['/no/such/qemu'],
    },
    {
      name: 'an emulator that is none',
      text: 'FROM busybox\nRUN true\n',
      args: ['--emulator', '/etc/hostname', '--no-cache'],
      status: 3,
      says: ['/etc/hostname'],
    },
  ];
  it.each(cases)('names $name and ends with $status', async ({ text, args, ...expected }) => {
    const before = captureCliState(cli);
    const iidfile = cli.scratch.path('iid');
    const outcome = await tryBuild(cli, 'refused', {
      kubefile: text,
      args: ['--iidfile', iidfile, ...(args ?? [])],
    });
    expectRefusal(outcome, expected);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
    await expect(runTool('cat', [iidfile])).rejects.toThrow('No such file');
  });

  it('leaves a store in which everything is whole', () => expectSoundStore(STORED));
});

describeWith(['root'], 'a build of what is not there', () => {
  it('names a context that is missing', async () => {
    expectRefusal(await cli.call(['build', '/no/such/context']), {
      status: 1,
      says: ['/no/such/context', /^hint:/m],
    });
  });

  it('takes an unknown word as a context, and says so', async () => {
    expectRefusal(await cli.call(['imagse']), { status: 1, says: ['imagse', /hint: .*--help/] });
  });

  it('names a context that is a file', async () => {
    const path = await cli.scratch.write('a-file', '');
    expectRefusal(await cli.call(['build', path]), { status: 1, says: [path] });
  });

  it('names the files it looked for', async () => {
    const empty = cli.scratch.path('empty');
    await mkdir(empty);
    expectRefusal(await cli.call(['build', empty]), { status: 1, says: [empty, 'Kubefile', 'Dockerfile'] });
  });

  it('names a Kubefile that is a directory', async () => {
    const folder = cli.scratch.path('folder');
    await mkdir(`${folder}/Kubefile`, { recursive: true });
    expectRefusal(await cli.call(['build', folder]), { status: 1, says: ['Kubefile', 'EISDIR'] });
  });

  it('names a Kubefile that is no text', async () => {
    const { status, stderr } = await tryBuild(cli, 'binary', { kubefile: '\u0000\u0001FROM \u0000\n' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/Kubefile/) as unknown });
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it.each([
    { name: 'an archive that is not there', args: ['load', '-i', '/no/such.tar'] },
    { name: 'an archive that is none', args: ['load', '-i', '/etc/passwd'] },
    {
      name: 'a rootfs that is not there',
      args: ['import', '/no/such.tar', 'x', '--platform', 'linux/arm64'],
    },
    {
      name: 'a rootfs that is no archive',
      args: ['import', '/etc/passwd', 'x', '--platform', 'linux/arm64'],
    },
    { name: 'a directory as a rootfs', args: ['import', '/etc', 'x', '--platform', 'linux/arm64'] },
    { name: 'an image that is not there', args: ['inspect', 'nosuch'] },
    { name: 'an image to remove that is not there', args: ['rmi', 'nosuch'] },
    { name: 'an image to save that is not there', args: ['save', '-o', '/dev/null', 'nosuch'] },
    {
      name: 'a folder to save to that is not there',
      args: ['save', '-o', '/no/such/folder/x.tar', 'busybox'],
    },
    {
      name: 'a platform to save that is not there',
      args: ['save', '-o', '/dev/null', '--platform', 'linux/s390x', 'busybox'],
    },
    { name: 'a reference that is none', args: ['tag', 'busybox', 'A B'] },
  ])('names $name', async ({ args }) => {
    expectRefusal(await cli.call(args), { status: 1, says: [/^error\[/m] });
    expect(JSON.parse(await cli.run(['images', '--json']))).toHaveLength(STORED.length);
  });
});

describeWith(['root', 'private-binfmt'], 'a host that cannot do it', () => {
  it('has no emulator: exit 3 and how to get one', async () => {
    const root = cli.scratch.path('other-store');
    const env = { ARCH_BUILD_EMULATORS: undefined, PATH: '/nonexistent' };
    await cli.run(['--root', root, 'import', await busyboxRootfs(), 'busybox', '--platform', 'linux/arm64'], {
      env,
    });
    await writeFiles(cli.scratch.path('needs-emulator'), { Kubefile: 'FROM busybox\nRUN true\n' });
    const args = ['--root', root, 'build', '--pull', 'never', '-t', 'x', cli.scratch.path('needs-emulator')];
    const hint = 'arch-build emulators fetch aarch64';
    expectRefusal(await cli.call([...args, '--platform', 'linux/arm64'], { env }), {
      status: 3,
      says: ['aarch64', hint],
    });
    expectRefusal(await cli.call([...args, '--emulate', 'aarch64'], { env }), {
      status: 3,
      says: ['aarch64', hint],
    });
    expectRefusal(await cli.call(['--root', root, 'run', 'busybox', 'true'], { env }), {
      status: 3,
      says: ['aarch64', hint],
    });
  });

  it('says an ordinary user what is needed', async () => {
    const root = cli.scratch.path('nobody');
    await mkdir(root);
    await runTool('chown', ['65534:65534', root]);
    await chmod(cli.scratch.directory, 0o755);
    await writeFiles(cli.scratch.path('plain'), { Kubefile: 'FROM scratch\nCOPY f /f\nRUN true\n', f: 'F' });
    const asNobody = (args: readonly string[]): Promise<Outcome> =>
      cli.call(args, { through: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] });
    const build = ['--root', root, 'build', '--emulate', 'aarch64', '-t', 'x', cli.scratch.path('plain')];
    const outcome = await asNobody(build);
    expectRefusal(outcome, { status: 3, says: [/^error\[/m, /root/] });
    expectRefusal(await asNobody(['images']), {
      status: 1,
      says: [/^hint: run as root, or name a directory of yours with --root/m],
    });
  });

  it('has a store that cannot be written', async () => {
    await withFileSystem('size=1m,ro', async (call) => {
      const outcome = await call(['images']);
      expectRefusal(outcome, { status: 1, says: [/^error\[/m, 'EROFS', /^hint: .*--root/m] });
    });
  });

  it('has a full disk, and room again', async () => {
    await withFileSystem('size=16m', async (call) => {
      await call(['import', await busyboxRootfs(), 'busybox', '--platform', 'linux/arm64']);
      const folder = cli.scratch.path('full');
      await writeFiles(folder, {
        Kubefile:
          'FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; true\nCOPY large /\n',
      });
      await writeFile(`${folder}/large`, Buffer.alloc(30_000_000, 1));
      expectRefusal(await call(['build', '--emulate', 'aarch64', '--pull', 'never', '-t', 'x', folder]), {
        status: 1,
        says: [/ENOSPC|No space left/, /Kubefile:[23]:1: /, /^hint: .*(prune|space)/m],
      });
      const images = await call(['images', '--json']);
      expect(JSON.parse(images.stdout)).toHaveLength(1);
      expect((await call(['prune'])).status).toBe(0);
      expect((await call(['verify', 'busybox'])).status).toBe(0);
      expect((await call(['run', 'busybox', 'uname', '-m'])).stdout).toBe('aarch64\n');
    });
  });
});
