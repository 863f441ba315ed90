/** The control group of a step: that it bites, says so and is gone afterwards. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, cachedSteps, tryBuild, writeFiles } from './projects.ts';

let cli: Cli;
beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const NEEDS = ['root', 'overlay', 'private-binfmt', 'control-groups'] as const;
const PARENT = `arch-build-test-${randomBytes(4).toString('hex')}`;
const IN_PARENT = ['--cgroup-parent', `/${PARENT}/inner`];

const kubefile = (command: string): string => `FROM busybox\nRUN ${command}\n`;
const limited = (command: string, args: readonly string[], tag = 'limited'): ReturnType<typeof tryBuild> =>
  tryBuild(cli, tag, { kubefile: kubefile(command), args: [...IN_PARENT, ...args] });

/** In every hierarchy. */
function groupsLeft(): string[] {
  const top = '/sys/fs/cgroup';
  return [top, ...readdirSync(top).map((name) => join(top, name))].flatMap((directory) => {
    try {
      return readdirSync(directory).filter((name) => name === PARENT);
    } catch {
      return []; // a file
    }
  });
}

async function expectNoGroups(withinMs: number): Promise<void> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline && groupsLeft().length > 0;)
    await sleep(20);
  expect(groupsLeft()).toEqual([]);
}

describeWith(NEEDS, 'the control group of a step', () => {
  afterEach(() => expectNoGroups(0));

  it('ends a step that needs more memory, and the error says why', async () => {
    const { status, stderr } = await limited('dd if=/dev/zero of=/dev/null bs=300M count=1', ['-m', '100m']);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(
        /RUN_FAILED.*killed by SIGKILL \(its memory of 100 MiB was used up, and the kernel killed a process\)[^]*hint: give it more with --memory/,
      ),
    ]);
  });

  it('warns of what was killed in a step that went on', async () => {
    const { status, stderr } = await limited('dd if=/dev/zero of=/dev/null bs=300M count=1 || true', [
      ...['-m', '100m'],
    ]);
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/warning: RUN dd .* succeeded, but its memory of 100 MiB was used up/),
    ]);
  });

  it('stops a fork bomb', async () => {
    const bomb = 'f() { f | f & }; f; i=0; while [ $i -lt 50 ]; do sleep 9 & i=$((i+1)); done';
    const { status, stderr } = await limited(bomb, ['--pids-limit', '20']);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(
        /it reached its limit of 20 processes, and [\d more were]+ refused\)[^]*--pids-limit/,
      ),
    ]);
  });

  it('shows the step what it has, read-only, and no more', async () => {
    const { status, stderr } = await limited(
      'cd /sys/fs/cgroup; cat cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset.cpus cpuset/cpuset.cpus pids.max pids/pids.max 2>&- | tr "\\n" " "; grep -c : /proc/self/cgroup; grep -vc ":/$" /proc/self/cgroup; touch x pids/x',
      ['--cpu-quota', '50000', '--cpu-period', '100000', '--cpuset-cpus', '0', '--pids-limit', '99'],
    );
    expect([status, stderr]).toEqual([1, expect.stringMatching(/ 50000 100000 0 99 \d+\n.* 0\n/)]);
    expect(stderr).toMatch(/touch: .*Read-only file system/);
  });

  it('is no part of a cache key', async () => {
    const project = { kubefile: kubefile('echo once > /once') };
    await build(cli, 'once', { ...project, args: ['-m', '200m', '--pids-limit', '100'] });
    const { log } = await build(cli, 'once', { ...project, args: ['--security-opt', 'no-new-privileges'] });
    expect(cachedSteps(log)).toHaveLength(1);
  });

  it('is shown by --plan, which makes none', async () => {
    await writeFiles(cli.scratch.path('plan'), { Kubefile: kubefile('true') });
    const args = [...IN_PARENT, '-m', '100m', '--pids-limit', '7', '--security-opt', 'no-new-privileges'];
    const plan = await cli.run([
      'build',
      '--plan',
      '--emulate',
      'aarch64',
      ...args,
      cli.scratch.path('plan'),
    ]);
    expect(plan).toMatch(/group limit memory\.(?:max|limit_in_bytes) 104857600 \(in \S+\/inner\)/);
    expect(plan).toMatch(/group limit pids\.max 7 /);
    expect(plan).toMatch(/ group \S+\/inner\/<group of the step>\/cgroup\.procs\n/);
    expect(plan).toMatch(/ capabilities .*\n +no-new-privileges\n/);
  });

  it('is refused before the first step where the machine has less', async () => {
    const { status, stderr } = await limited('echo never', ['--cpuset-cpus', '4090']);
    expect([status, stderr]).toEqual([
      3,
      expect.stringMatching(/HOST_INCAPABLE.*cpuset\.cpus 4090 cannot be set[^]*hint: name processors/),
    ]);
    expect(stderr).not.toContain('RUN');
  });

  it.each(['SIGINT', 'SIGKILL'] as const)('goes with the build that is ended by %s', async (signal) => {
    const { signal: ended, status } = await tryBuild(cli, 'cut', {
      kubefile: kubefile('(sleep 300 & sleep 300) & echo ready; sleep 300'),
      args: [...IN_PARENT, '--pids-limit', '50', '--no-cache'],
      interrupt: { signal, when: /\] ready/ },
    });
    expect([ended, status]).toEqual(signal === 'SIGKILL' ? ['SIGKILL', null] : [null, 130]);
    await expectNoGroups(signal === 'SIGKILL' ? 5000 : 0);
  });

  it('is there for `run` as well', async () => {
    const command = ['busybox', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=300M', 'count=1'];
    const { status, stderr } = await cli.call(['run', ...IN_PARENT, '--memory', '100m', ...command]);
    expect([status, stderr]).toEqual([137, expect.stringMatching(/its memory of 100 MiB was used up/)]);
  });

  it('is refused to a user who may make none', async () => {
    await using user = await openUserCli();
    await writeFiles(join(user.home, 'context'), { Dockerfile: 'FROM scratch\nRUN ["/never"]\n' });
    const { status, stderr } = await user.call(['build', '--pids-limit', '9', join(user.home, 'context')]);
    expect([status, stderr]).toEqual([
      3,
      expect.stringMatching(
        /HOST_INCAPABLE.*control group[^]*hint: .*(?:systemd-run --user|--cgroup-parent)/,
      ),
    ]);
  });
});
