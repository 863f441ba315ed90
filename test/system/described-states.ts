/**
 * A state of a broken host, start to end: it is made for real in namespaces of its own, doctor has to name it with a
 * fix, the fix is followed as it stands in the report, and then a real build has to pass.
 */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { commandText } from '../../src/emulation/checks/check.ts';
import type { CheckResult } from '../../src/emulation/doctor.ts';
import { busyboxRootfs } from '../e2e/bases.ts';
import { describeWith } from '../support/requires.ts';
import { openBrokenHost, type Answer, type BrokenHost } from './broken-host.ts';
import type { HostState } from './host-states.ts';

const EMULATOR = join(import.meta.dirname, '../../.cache/test-store/emulators/7.2.22/qemu-aarch64');

const NEEDS = ['root', 'private-binfmt', 'overlay', 'command:setpriv', 'command:python3'] as const;

/** One test for each. */
export function describeStates(room: string, states: readonly HostState[]): void {
  describeWith(NEEDS, `doctor on a host with broken ${room}`, () => {
    let busybox: string;
    beforeAll(async () => {
      busybox = await busyboxRootfs();
    });

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
}

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
