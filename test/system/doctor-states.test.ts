/**
 * Broken hosts: each state is made for real in namespaces of its own, doctor has to name it with a fix, the fix is
 * followed as it stands in the report, and then a real build has to pass.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandText } from '../../src/emulation/checks/check.ts';
import type { CheckResult } from '../../src/emulation/doctor.ts';
import { busyboxRootfs } from '../e2e/bases.ts';
import { describeWith } from '../support/requires.ts';
import { openBrokenHost, type Answer, type BrokenHost } from './broken-host.ts';
import {
  EMULATOR_STATES,
  KERNEL_STATES,
  PROCESS_STATES,
  STORE_STATES,
  TABLE_STATES,
  type HostState,
} from './host-states.ts';

let busybox: string;
beforeAll(async () => {
  busybox = await busyboxRootfs();
});

const EMULATOR = join(import.meta.dirname, '../../.cache/test-store/emulators/7.2.22/qemu-aarch64');

describeWith(
  ['root', 'private-binfmt', 'overlay', 'command:setpriv', 'command:python3'],
  'doctor on a broken host',
  () => {
    describe.each([
      ['emulators', EMULATOR_STATES],
      ['kernel', KERNEL_STATES],
      ['table', TABLE_STATES],
      ['store', STORE_STATES],
      ['process', PROCESS_STATES],
    ] as const)('%s', (_room, states) => {
      it.each(states)('$name', async (state) => {
        await using host = await openBrokenHost(busybox);
        const broken = await host.shell(`set -e; ${state.break}`);
        expect(broken, broken.stderr).toMatchObject({ status: 0 });
        const before = await examine(host, state);
        const row = rowOf(before, state);
        if (state.builds) await expectBuild(host, state);
        else expect((await build(host, state)).status).not.toBe(0);
        await follow(host, state, row);
      });
    });
  },
);

interface Commands {
  /** Shell that follows the fix, in the same shell as the command: `ulimit` and `export` are for it. */
  readonly fix?: string;
  /** Options in front of the command. */
  readonly options?: string;
}

const ours = (state: HostState, words: string, { fix = ':', options = '' }: Commands = {}): string =>
  `${state.before ?? ':'}; ${fix} && ${state.through ?? ''} arch-build ${options} ${words}`;

async function examine(host: BrokenHost, state: HostState, commands?: Commands): Promise<Answer> {
  const { status, stdout, stderr } = await host.shell(
    ours(state, 'doctor --platform arm64 --json', commands),
  );
  if (!stdout.startsWith('{')) throw new Error(`doctor ended with ${status}: ${stderr}${stdout}`);
  return { status, ...(JSON.parse(stdout) as Omit<Answer, 'status'>) };
}

/** The row that tells of the state; it is there, has the state, says it, and has a fix. */
function rowOf({ checks, status }: Answer, { id, state, says, builds, unseen }: HostState): CheckResult {
  const rows = checks.filter((check) => check.id === id && check.state === state);
  const told = rows.map(({ found, why, fix }) => [found, why, fix].join('\n'));
  expect(told.join('\n'), JSON.stringify(checks.filter((check) => check.state !== 'ok'))).toMatch(says);
  if (unseen !== true) expect(status).toBe(builds ? 0 : 3);
  return rows.find((row) => says.test([row.found, row.why, row.fix].join('\n'))) ?? rows[0]!;
}

const BUILD = 'build --emulate aarch64 --pull never --no-cache -t built "$D/c"';

function build(host: BrokenHost, state: HostState, commands: Commands = {}): ReturnType<BrokenHost['shell']> {
  const isElsewhere = state.imports === true || commands.options !== undefined;
  const words = 'import "$BUSYBOX" busybox --platform linux/arm64 >&2';
  const prepared = isElsewhere ? `${ours(state, words, commands)} && ` : '';
  const { before: _done, ...rest } = state; // once is enough, and for a user it empties the store
  return host.shell(
    prepared === '' ? ours(state, BUILD, commands) : `${prepared}${ours(rest, BUILD, commands)}`,
  );
}

async function expectBuild(host: BrokenHost, state: HostState, commands?: Commands): Promise<void> {
  const { status, stdout, stderr } = await build(host, state, commands);
  expect(status, `${stdout}${stderr}`).toBe(0);
  expect(stderr).toContain('aarch64\n');
}

/** Does what the row says, and nothing else; afterwards the row is gone and a build passes. */
async function follow(host: BrokenHost, state: HostState, row: CheckResult): Promise<void> {
  const fix = row.fix ?? '';
  expect(fix).not.toBe('');
  if (typeof state.follow === 'object' && 'impossible' in state.follow) return;
  const commands = followed(state, row, fix);
  if (row.action?.by !== 'shell' && commands.fix !== undefined) {
    const done = await host.shell(commands.fix);
    expect(done, `${commands.fix}: ${done.stderr}`).toMatchObject({ status: 0 });
  }
  const still = row.action?.by === 'shell' ? commands : { options: commands.options };
  if (state.afterwards !== undefined) expect(await host.shell(state.afterwards)).toMatchObject({ status: 0 });
  await expectBuild(host, state, optionsOf(still));
  const after = await examine(host, state, optionsOf(still));
  expect(after.platforms[0]).toMatchObject({ buildable: true });
  const told = after.checks.filter(
    ({ id, found, state: now }) => id === row.id && found === row.found && now === row.state,
  );
  if (state.afterwards === undefined || state.follow === 'commands') expect(told).toEqual([]);
}

const optionsOf = ({
  fix,
  options,
}: {
  fix?: string | undefined;
  options?: string | undefined;
}): Commands => ({
  ...(fix === undefined ? {} : { fix }),
  ...(options === undefined ? {} : { options }),
});

function followed(
  { follow: how }: HostState,
  { action }: CheckResult,
  fix: string,
): { fix?: string; options?: string } {
  if (typeof how === 'object') return 'by' in how ? { fix: how.by } : {};
  if (how === 'place')
    return { options: `--root ${/--root (?<place>[^\s,:)]+)/.exec(fix)?.groups?.['place'] ?? ''}` };
  if (how === 'import') {
    expect(fix).toContain('arch-build emulators import FILE');
    return { fix: `arch-build emulators import '${EMULATOR}'` };
  }
  expect(action?.commands).not.toEqual([]);
  return { fix: (action?.commands ?? []).map(commandText).join(' && ') };
}

describeWith(['root', 'private-binfmt', 'command:setpriv'], 'doctor --fix and --report', () => {
  it('does what is safe, says what is left, and tells how it is afterwards', async () => {
    await using host = await openBrokenHost(busybox);
    await host.shell(
      'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_pid_namespaces',
    );
    const { status, stdout } = await host.shell(
      'ulimit -f 100000; arch-build doctor --platform arm64 --fix --json',
    );
    const { fixes, checks } = JSON.parse(stdout) as Answer;
    expect(fixes).toEqual([
      { id: 'user-namespace', state: 'done', what: 'echo 15000 > /proc/sys/user/max_user_namespaces' },
      { id: 'namespaces', state: 'done', what: 'echo 15000 > /proc/sys/user/max_pid_namespaces' },
      expect.objectContaining({ id: 'limits', state: 'needs you' }),
    ]);
    expect(status).toBe(0);
    expect(checks.find(({ id }) => id === 'user-namespace')?.state).toBe('ok');
  });

  it('does nothing as an ordinary user that only root can do', async () => {
    await using host = await openBrokenHost(busybox);
    await host.shell(
      'chmod 755 "$D"; chmod -R a+rX "$D/program" "$E"; echo 0 > /proc/sys/user/max_user_namespaces',
    );
    const words = 'setpriv --reuid=12345 --regid=12345 --clear-groups arch-build doctor --fix --json';
    const { fixes } = JSON.parse((await host.shell(words)).stdout) as Answer;
    expect(fixes).toContainEqual({
      id: 'user-namespace',
      state: 'needs you',
      what: 'as root: echo 15000 > /proc/sys/user/max_user_namespaces',
    });
  });

  it('writes a report without values of variables', async () => {
    await using host = await openBrokenHost(busybox);
    const { stderr } = await host.shell('A_SECRET=hunter2 arch-build doctor --report "$D/report.json"');
    expect(stderr).toContain('report.json is written');
    const text = readFileSync(join(host.directory, 'report.json'), 'utf8');
    expect(text).not.toContain('hunter2');
    const report = JSON.parse(text) as { environmentNames: string[]; report: Answer; mounts: unknown[] };
    expect(report.environmentNames).toContain('A_SECRET');
    expect(report.report.checks.length).toBeGreaterThan(20);
    expect(report.mounts).not.toEqual([]);
  });
});
