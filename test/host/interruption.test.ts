/**
 * Whatever ends a build (a failing step, Ctrl-C at any moment, SIGKILL), the host is as it was: mounts, the binfmt
 * table, processes, temporary directories. And the store is sound: no tag of what was not finished, the next build
 * works.
 */
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallOptions, Cli, Outcome } from '../support/cli.ts';
import { captureCliState, diffHostState, type HostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { runTool } from '../support/foreign-tools.ts';
import { openBusyboxCli } from '../e2e/bases.ts';
import { build, STACK_TRACE, tryBuild } from '../e2e/projects.ts';
import { mountForeign } from './host-table.ts';

const SLOW = `FROM busybox
ARG N
RUN echo "starting $N"; (sleep 300 & sleep 300) & echo ready; sleep 300; echo never
`;

let cli: Cli;
let table: Disposable | undefined;

beforeAll(async () => {
  // A table that is there shows more than one that is not: what is registered in it, and that it stays mounted.
  if (process.getuid?.() === 0) table = mountForeign();
  cli = await openBusyboxCli();
});
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  table?.[Symbol.dispose]();
});

/** Fails unless the host gets to be as before within the time; what the kernel and the reaper undo takes a moment. */
async function expectHostAsBefore(before: HostState, withinMs = 0): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline && diffHostState(before, captureCliState(cli)).length > 0) await sleep(50);
  expect(diffHostState(before, captureCliState(cli))).toEqual([]);
}

async function expectSoundStore(): Promise<void> {
  const images = JSON.parse(await cli.run(['images', '--json'])) as { name: string }[];
  expect(images.map(({ name }) => name)).not.toContain('docker.io/library/cut:latest');
  const { digest } = await build(cli, 'after', {
    kubefile: 'FROM busybox\nRUN echo ok > /ok\n',
    args: ['--no-cache'],
  });
  await cli.run(['verify', digest]);
  await cli.run(['prune']);
}

const buildSlowly = (n: string, options: CallOptions, args: readonly string[] = []): Promise<Outcome> =>
  tryBuild(cli, 'cut', { kubefile: SLOW, args: ['--build-arg', `N=${n}`, ...args], ...options });

const ISOLATIONS = ['private', 'host'] as const;

describeWith(['root', 'private-binfmt'], 'the host after a build', () => {
  it.each(ISOLATIONS)('that succeeded, --isolation %s', async (isolation) => {
    const before = captureCliState(cli);
    await build(cli, 'done', {
      kubefile: 'FROM busybox\nRUN uname -m\n',
      args: ['--no-cache', '--isolation', isolation],
    });
    await expectHostAsBefore(before);
  });

  it.each(ISOLATIONS)('that failed, --isolation %s', async (isolation) => {
    const before = captureCliState(cli);
    const kubefile = 'FROM busybox\nRUN (sleep 300 &) ; touch /tmp/x; exit 3\n';
    const { status } = await tryBuild(cli, 'cut', { kubefile, args: ['--isolation', isolation] });
    expect(status).toBe(1);
    await expectHostAsBefore(before);
  });

  const moments: readonly (readonly [string, string | RegExp])[] = [
    ['before the first step', 'RUN echo'],
    ['at its first output', 'starting'],
    ['in the middle of it', 'ready'],
  ];
  it.each(ISOLATIONS.flatMap((isolation) => moments.map(([moment, when]) => ({ isolation, moment, when }))))(
    'interrupted $moment, --isolation $isolation',
    async ({ isolation, moment, when }) => {
      const before = captureCliState(cli);
      const interrupt = { signal: 'SIGINT', when } as const;
      const outcome = await buildSlowly(`${isolation} ${moment}`, { interrupt }, ['--isolation', isolation]);
      expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({ status: 130, stdout: '' });
      expect(outcome.stderr).not.toMatch(STACK_TRACE);
      await expectHostAsBefore(before);
    },
  );

  it.each(['SIGTERM', 'SIGHUP'] as const)('ended by %s', async (signal) => {
    const before = captureCliState(cli);
    const outcome = await buildSlowly(signal, { interrupt: { signal, when: 'ready' } });
    expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({ status: 130, stdout: '' });
    await expectHostAsBefore(before);
  });

  it.each(ISOLATIONS.flatMap((isolation) => moments.map(([moment, when]) => ({ isolation, moment, when }))))(
    'killed $moment, --isolation $isolation',
    async ({ isolation, moment, when }) => {
      const before = captureCliState(cli);
      const interrupt = { signal: 'SIGKILL', when } as const;
      const outcome = await buildSlowly(`${isolation} ${moment} killed`, { interrupt }, [
        '--isolation',
        isolation,
      ]);
      expect(outcome.signal).toBe('SIGKILL');
      await expectHostAsBefore(before, 5000);
    },
  );

  it('interrupted while it copies', async () => {
    const before = captureCliState(cli);
    const folder = 'many';
    await mkdir(cli.scratch.path(folder));
    await runTool('sh', ['-ec', 'i=0; while [ $i -lt 20000 ]; do : > $i; i=$((i+1)); done'], {
      cwd: cli.scratch.path(folder),
    });
    const interrupt = { signal: 'SIGINT', when: /1\/1\] COPY/ } as const;
    const { status } = await tryBuild(cli, 'cut', {
      kubefile: 'FROM busybox\nCOPY . /many\n',
      folder,
      interrupt,
    });
    expect(status).toBe(130);
    await expectHostAsBefore(before);
  });

  it('leaves a sound store each time', expectSoundStore);
});

describeWith(['root', 'private-binfmt'], 'the host during a build', () => {
  /** What `look` says while a step sleeps. */
  async function during<T>(isolation: string, look: () => T): Promise<T> {
    const kubefile = `FROM busybox\nRUN echo ${isolation}; sleep 3\n`;
    const running = tryBuild(cli, 'slept', { kubefile, args: ['--no-cache', '--isolation', isolation] });
    await sleep(2000);
    const seen = look();
    const { status, stderr } = await running;
    expect(status, stderr).toBe(0);
    return seen;
  }

  it('has no entry of ours with --isolation private, and no mount', async () => {
    const before = captureCliState(cli);
    const now = await during('private', () => captureCliState(cli));
    expect({ binfmt: now.binfmt, mounts: now.mounts }).toEqual({
      binfmt: before.binfmt,
      mounts: before.mounts,
    });
    expect(now.processes.filter((line) => line.includes('sleep 3'))).not.toEqual([]);
    await expectHostAsBefore(before);
  });

  it('has one more entry, of ours, with --isolation host, and no mount', async () => {
    const before = captureCliState(cli);
    const now = await during('host', () => captureCliState(cli));
    const added = Object.entries(now.binfmt).filter(([name]) => !(name in (before.binfmt as object)));
    expect(added.map(([, content]) => content)).toEqual([expect.stringMatching(/^enabled\n[^]*flags: \S*F/)]);
    expect(now.mounts).toEqual(before.mounts);
    await expectHostAsBefore(before);
  });
});
