/** `--isolation prefix` on the command line, and on hosts that lack what it would like to have. */
import { execFileSync } from 'node:child_process';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { busyboxRootfs, openBusyboxCli } from './bases.ts';
import { build, tryBuild } from './projects.ts';
import { closeVerified } from './verified.ts';

const REFUSE = join(import.meta.dirname, '../programs/refuse.c');
const SCRIPT = 'for i in 1 2 3; do /bin/echo $i | /bin/sed s/2/two/; done; kill -0 $$ && /bin/sh -c "exit 9"';

let cli: Cli;
let refuse: string;

beforeAll(async () => {
  cli = await openBusyboxCli();
  refuse = cli.scratch.path('refuse');
  execFileSync('gcc', ['-O2', '-o', refuse, REFUSE]);
});
afterAll(() => closeVerified(cli));

const run = (script: string): string[] => ['run', '--isolation', 'prefix', 'busybox', 'sh', '-c', script];

describeWith(
  ['root', 'private-binfmt', 'command:gcc', 'command:newuidmap', 'command:setpriv'],
  '--isolation prefix',
  () => {
    it('builds what --isolation private builds, says what will not work, and leaves the host as it was', async () => {
      const kubefile = `FROM busybox\nRUN echo "#!/bin/sh" > /hi && echo 'echo hi' >> /hi && chmod 755 /hi\nRUN /hi > /said\n`;
      const before = captureCliState(cli);
      const options = { kubefile, folder: 'same' };
      const args = (isolation: string): string[] => [
        '--isolation',
        isolation,
        '--no-cache',
        '--source-date-epoch',
        '1700000000',
      ];
      const own = await build(cli, 'one', { ...options, args: args('private') });
      const traced = await build(cli, 'two', { ...options, args: args('prefix') });
      expect(traced.digest).toBe(own.digest);
      expect(traced.log).toMatch(/^warning: .*\(prefix\).*setuid.*chroot/m);
      expect(traced.log.indexOf('warning: ')).toBeLessThan(traced.log.indexOf('RUN /hi'));
      expect(await cli.run(['run', 'two', 'cat', '/said'])).toBe('hi');
      expect(diffHostState(before, captureCliState(cli))).toEqual([]);
    });

    it.each([
      { name: 'without seccomp, where each system call is looked at', lacking: 'seccomp' },
      { name: 'without user namespaces, as real root', lacking: 'user-namespaces' },
    ])('works $name', async ({ lacking }) => {
      const { status, stdout } = await cli.call(run(SCRIPT), { through: [refuse, lacking] });
      expect({ status, stdout }).toEqual({ status: 9, stdout: '1\ntwo\n3\n' });
    });

    it.each([
      { name: 'with subordinate ids', subordinateIds: 65_536 },
      { name: 'with a single id', subordinateIds: 0 },
    ])('works for an ordinary user $name', async ({ subordinateIds }) => {
      await using user = await openUserCli({ subordinateIds });
      const archive = user.scratch.path('busybox.tar');
      await copyFile(await busyboxRootfs(), archive);
      await chmod(archive, 0o644);
      await user.run(['import', archive, 'busybox', '--platform', 'linux/arm64']);
      const { status, stdout } = await user.call(run(SCRIPT));
      expect({ status, stdout }).toEqual({ status: 9, stdout: '1\ntwo\n3\n' });
    });

    it('says that tracing is forbidden, before anything is built', async () => {
      const outcome = await tryBuild(cli, 'none', {
        kubefile: 'FROM busybox\nRUN true\n',
        folder: 'refused',
        args: ['--isolation', 'prefix', '--no-cache'],
        through: [refuse, 'tracing'],
      });
      expect(outcome.status).toBe(3);
      expect(outcome.stderr).toContain('tracing is forbidden here');
    });

    it('ends with the program when it is interrupted', async () => {
      const interrupt = { signal: 'SIGTERM', when: 'ready' } as const;
      const outcome = await cli.call(
        run('trap "echo caught; exit 4" TERM; echo ready; while :; do sleep 0.1; done'),
        {
          interrupt,
        },
      );
      expect(outcome).toMatchObject({ status: 4, stdout: 'ready\ncaught\n' });
    });
  },
);
