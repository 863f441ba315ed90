/** `--shell-on-error`: a failed step's sandbox with a shell in it, and the failure all the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { busyboxRootfs, openBusyboxCli } from './bases.ts';
import { tryBuild, writeFiles } from './projects.ts';
import { openTerminal, type Terminal } from './terminal.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;
beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => closeVerified(cli));

async function openBuild(kubefile: string, args: readonly string[] = []): Promise<Terminal> {
  const context = cli.scratch.path('context');
  await writeFiles(context, { Kubefile: kubefile, 'shown.txt': 'of the context\n' });
  const flags = ['--emulate', 'aarch64', '--pull', 'never', '-t', 'fails', '--shell-on-error', ...args];
  return openTerminal(cli, ['build', ...flags, context], { columns: 100 });
}

const PROMPT = /nothing that is done here is kept\.[^]*[#$] /;
const KUBEFILE = `FROM busybox
RUN echo 'user:x:1000:1000::/home/user:/bin/sh' >> /etc/passwd && mkdir -m 777 /work
ENV COLOUR=green
WORKDIR /work
USER user
RUN --mount=target=/context --mount=from=busybox,target=/other,rw --network=none \\
  touch /work/in-the-way && echo "written" > /work/note && false
`;

describeWith(['root', 'private-binfmt'], 'build --shell-on-error', () => {
  it('has the files, mounts, user, environment and machine of the step, and the build fails', async () => {
    const before = captureCliState(cli);
    {
      await using terminal = await openBuild(KUBEFILE, ['--dialect', 'kubefile-v2']);
      await terminal.until(PROMPT);
      expect(terminal.text()).toMatch(/failed:.* \[linux\/arm64 0 5\/5\] RUN [^]*exited with status 1\r\n/);
      await terminal.type(
        'echo "<$(cat note) $(uname -m) $COLOUR $(pwd) $(id -u)>"\n',
        '<written aarch64 green /work 1000>',
      );
      await terminal.type(
        'echo "<$(cat /context/shown.txt) $(test -x /other/bin/busybox && echo there)>"\n',
        '<of the context there>',
      );
      await terminal.type('echo "<$(tty) $(ls /sys/class/net | wc -l)>"\n', '</dev/console 0>');
      terminal.write('exit 7\n');
      expect(await terminal.exited).toBe(1);
      expect(terminal.text()).toMatch(/error\[RUN_FAILED\][^]*Kubefile:6:1: .*exited with status 1/);
    }
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
    expect((await cli.call(['inspect', 'fails'])).status).toBe(1);
  });

  it('hands Ctrl-C to the shell, and keeps nothing of what was done', async () => {
    const kubefile = 'FROM busybox\nRUN test -e /mended\n';
    for (const _ of ['first', 'again']) {
      await using terminal = await openBuild(kubefile);
      await terminal.until(PROMPT);
      // a loop, for a signal just before a fork is not seen by the child
      await terminal.type(
        `sh -c 'trap "echo trapped; exit 9" INT; echo ready; while :; do sleep 0.1; done'\n`,
        /\r\nready/,
      );
      await terminal.type('\u0003', /trapped[^]*# /);
      // until the prompt: what is typed while the shell goes from lines to keys ends nothing, on any terminal
      await terminal.type('touch /mended; echo "status $?"\n', /status 0\r\n[^]*# /);
      terminal.write('\u0004');
      expect(await terminal.exited).toBe(1);
    }
  });

  it('leaves nothing when it is killed', async () => {
    const before = captureCliState(cli);
    {
      await using terminal = await openBuild('FROM busybox\nRUN false\n');
      await terminal.until(PROMPT);
      await terminal.type('sleep 87654 & echo "started"\n', /\r\nstarted/);
    } // kill -9
    await expect.poll(() => commandLines().filter((line) => line.includes('87654'))).toEqual([]);
    await expect.poll(() => diffHostState(before, captureCliState(cli))).toEqual([]);
  });

  it('is the toolbox’s shell where the rootfs has none, with any form of RUN', async () => {
    const directory = cli.scratch.path('data');
    await mkdir(directory);
    await writeFile(join(directory, 'data'), 'alone\n');
    await runTool('tar', ['-cf', `${directory}.tar`, '-C', directory, '.']);
    await cli.run(['import', `${directory}.tar`, 'data', '--platform', 'linux/arm64']);
    const kubefile = 'FROM data\nRUN ["/missing"]\n';
    {
      await using terminal = await openBuild(kubefile);
      await terminal.until(/there is no shell to be had:\r\n[^]*no toolbox for aarch64/);
      expect(await terminal.exited).toBe(1);
      expect(terminal.text()).toMatch(/cannot start "\/missing": ENOENT/);
    }
    await runTool('tar', ['-xf', await busyboxRootfs(), '-C', directory, './bin/busybox']);
    await cli.run(['emulators', 'import', join(directory, 'bin/busybox')]);
    await using terminal = await openBuild(kubefile);
    await terminal.until(PROMPT);
    await terminal.type('echo "<$(cat /data | tr a-z A-Z) $(uname -m)>"\n', '<ALONE aarch64>');
    terminal.write('exit\n');
    expect(await terminal.exited).toBe(1);
  });

  it('is a warning without a terminal', async () => {
    const kubefile = 'FROM busybox\nRUN printf unended; exit 4\n';
    const { status, stderr } = await tryBuild(cli, 'fails', { kubefile, args: ['--shell-on-error'] });
    expect(status).toBe(1);
    expect(stderr).toContain('1/1] unended\n');
    expect(stderr).toContain('warning: --shell-on-error has no effect here');
  });
});

function commandLines(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return ''; // it has ended meanwhile
    }
  });
}
