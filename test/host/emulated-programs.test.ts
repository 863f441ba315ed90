/**
 * Programs that start others in every way there is, on every rung: what they see must not depend on how foreign
 * programs get to run. Where it does, the row says why.
 */
import { mkdtempSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { openEmulation, type Emulation } from '../../src/emulation/ladder.ts';
import { parsePlatform, type Platform } from '../../src/oci/platform.ts';
import { openPseudoTerminal } from '../../src/sys/pty.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { makeImage, runStep, type Ran, type Step } from '../system/emulated-image.ts';
import { fetchedEmulators } from '../system/fetched-emulators.ts';

const RUNGS = ['private', 'host', 'prefix'] as const;
type RungName = (typeof RUNGS)[number];
const arm64 = parsePlatform('linux/arm64');
const arm = parsePlatform('linux/arm/v7');

let scratch: Scratch;
let image: string;
let kitFolder: string;

beforeAll(async () => {
  scratch = await openScratch('programs');
  image = await makeImage(scratch);
  kitFolder = join((await fetchedEmulators(pinnedPackages()[0]!.version)).get('aarch64')!.path, '..');
});
afterAll(() => scratch[Symbol.asyncDispose]());

function openRung(isolation: RungName): Emulation {
  return openEmulation({
    platforms: [arm64, arm],
    isolation,
    accelerate: 'off',
    emulator: undefined,
    cpu: undefined,
    storeDirectory: scratch.path('store'),
    environment: { ARCH_BUILD_EMULATORS: kitFolder },
    makeDirectory: (prefix) => mkdtempSync(join(scratch.directory, `${prefix}-`)),
    report: () => undefined,
    signal: new AbortController().signal,
  });
}

type Words = readonly string[];

async function run(
  emulation: Emulation,
  argv: Words,
  changes: Partial<Step> = {},
  platform = arm64,
): Promise<Ran> {
  const step = await emulation.forPlatform(platform);
  const environment = [...step.environmentOf(new Map())].map(([key, value]) => `${key}=${value}`);
  return runStep(scratch, image, { argv, isolation: step.isolation, environment, ...changes });
}

interface Seen {
  readonly uid?: number;
  readonly euid?: number;
  readonly bits?: number;
  readonly exe?: string;
}

const said = (name: string, words = '', seen: Seen = {}): string => {
  const { uid = 0, euid = uid, bits = 64, exe = '/bin/report' } = seen;
  return `[${name}]${words === '' ? '' : ` ${words}`} uid ${uid} euid ${euid} bits ${bits} exe ${exe}\n`;
};

interface Difference {
  readonly why: string;
  readonly text: string | RegExp;
  readonly status?: number;
}

interface Row {
  readonly name: string;
  readonly argv: readonly string[];
  readonly uid?: number;
  readonly platform?: Platform;
  readonly text: string | RegExp;
  readonly status?: number;
  /** What is different with a rung, and why. */
  readonly but?: Partial<Record<RungName, Difference>>;
}

const ways = (way: string, ...program: string[]): string[] => ['/bin/ways', way, ...program];
const sh = (script: string): string[] => ['/bin/sh', '-c', script];

const OPTION: Difference = {
  why: 'binfmt_misc hands the path on as it is, and the emulator takes it for an option',
  text: /unknown option/,
  status: 1,
};
const CLOSED: Difference = {
  why: 'binfmt_misc refuses a descriptor that the exec closes, also where it could hand it on open',
  text: /fexecve: No such file or directory/,
  status: 111,
};

const ROWS: readonly Row[] = [
  { name: 'a static program', argv: ['/bin/report', 'a', 'b'], text: said('/bin/report', 'a b') },
  { name: 'a program found on PATH', argv: ['report', 'a'], text: said('report', 'a') },
  {
    name: 'a static position-independent program',
    argv: ['/bin/report-pie'],
    text: said('/bin/report-pie', '', { exe: '/bin/report-pie' }),
  },
  {
    name: 'a dynamic program',
    argv: ['/bin/report-dynamic'],
    text: said('/bin/report-dynamic', '', { exe: '/bin/report-dynamic' }),
  },
  {
    name: 'a program of 32 bits, for another machine',
    argv: ['/bin/report-32', 'x'],
    platform: arm,
    text: said('/bin/report-32', 'x', { bits: 32, exe: '/bin/report-32' }),
  },
  {
    name: 'a setuid program',
    argv: ['/bin/report-setuid'],
    uid: 1000,
    text: said('/bin/report-setuid', '', { uid: 1000, euid: 0, exe: '/bin/report-setuid' }),
    but: {
      prefix: {
        why: 'the kernel starts the emulator, which has no setuid bit; the warning says so',
        text: said('/bin/report-setuid', '', { uid: 1000, euid: 1000, exe: '/bin/report-setuid' }),
      },
    },
  },
  {
    name: 'a program that its user may execute and not read',
    argv: ways('user', '/bin/report-unreadable'),
    text: said('/bin/report-unreadable', '', { uid: 1000, exe: '/bin/report-unreadable' }),
    but: {
      prefix: {
        why: 'the emulator opens it as that user; the warning says so',
        text: 'refused: Permission denied\n',
      },
    },
  },
  { name: 'a script', argv: ['/bin/script', 'a'], text: said('/bin/report', '/bin/script a') },
  {
    name: 'a script whose interpreter gets an argument',
    argv: ['/bin/script-argument', 'a'],
    text: said('/bin/report', 'one argument /bin/script-argument a'),
  },
  {
    name: 'a script whose interpreter is a script',
    argv: ['/bin/script-script', 'a'],
    text: said('/bin/report', 'one argument /bin/script-argument outer /bin/script-script a'),
  },
  {
    name: 'a script with a relative interpreter',
    argv: ['/bin/script-relative', 'a'],
    text: said('bin/report', '/bin/script-relative a'),
  },
  {
    name: 'a script of one line without its end',
    argv: ['/bin/script-no-end'],
    text: said('/bin/report', 'end /bin/script-no-end'),
  },
  { name: 'a shell script', argv: ['/bin/script-shell', 'word'], text: '/bin/script-shell word\n' },
  {
    name: 'a script whose interpreter is not there',
    argv: sh('/bin/script-gone'),
    text: /not found/,
    status: 127,
  },
  {
    name: 'a path that looks like an option',
    argv: ways('directory', '-report', 'a'),
    text: said('-report', 'a', { exe: '/bin/-report' }),
    but: { private: OPTION, host: OPTION },
  },
  {
    name: 'a program by descriptor',
    argv: ways('descriptor', '/bin/report', 'a'),
    text: /^\[\/bin\/report\] a uid 0 /,
  },
  {
    name: 'a script by descriptor',
    argv: ways('descriptor', '/bin/script-shell'),
    text: /can't open '\/proc\/self\/fd\/3'/,
    status: 2,
  },
  {
    name: 'a program by the name of a descriptor',
    argv: ways('descriptor-name', '/bin/report', 'a'),
    text: /^\[\/bin\/report\] a uid 0 /,
  },
  {
    name: 'a program in memory',
    argv: ways('memory', '/bin/report', 'a'),
    text: /^\[\/bin\/report\] a uid 0 /,
  },
  { name: 'a program after vfork', argv: ways('vfork', '/bin/report', 'a'), text: said('/bin/report', 'a') },
  { name: 'posix_spawn', argv: ways('spawn', '/bin/report', 'a'), text: said('/bin/report', 'a') },
  {
    name: 'a thread that executes',
    argv: ways('thread', '/bin/report', 'a'),
    text: said('/bin/report', 'a'),
  },
  { name: 'its own /proc/self/exe', argv: ways('itself', 'x'), text: 'again as /bin/ways\n' },
  { name: 'another argv[0]', argv: ways('name', '/bin/report'), text: said('another name', 'word') },
  { name: 'an empty argv[0]', argv: ways('empty-name', '/bin/report'), text: said('', 'word') },
  {
    name: 'a megabyte of words',
    argv: ways('many-words', '/bin/report'),
    text: '60000 words, the last end\n',
  },
  {
    name: 'a program in the working directory',
    argv: ways('directory', './report', 'a'),
    text: said('./report', 'a'),
  },
  {
    name: 'a program of another user',
    argv: ways('user', '/bin/report'),
    text: said('/bin/report', '', { uid: 1000 }),
  },
  { name: 'many programs at once', argv: ways('many', '/bin/report'), text: '24 children, sum 72\n' },
  {
    name: 'a child that is stopped and continued',
    argv: ways('stop', '/bin/report'),
    text: 'stopped by 19\n',
    status: 7,
  },
  { name: 'a daemon left behind', argv: ways('daemon', 'x'), text: 'left behind\n' },
  {
    name: 'a program started by a native one of 32 bits',
    argv: ['/bin/narrow'],
    text: said('/bin/report', 'narrow narrow'),
  },
  {
    name: 'a program started by a native one of 32 bits with many words',
    argv: ['/bin/narrow-many'],
    text: '5000 words, the last narrow\n',
  },
  { name: 'an exit status', argv: sh('report exit 41'), text: '', status: 41 },
  {
    name: 'a pipeline of a shell',
    argv: sh('for i in 1 2 3; do echo $i | sed s/2/two/ | cat; done'),
    text: '1\ntwo\n3\n',
  },
  {
    name: 'a file without execute permission',
    argv: sh('chmod 644 /bin/report; report'),
    text: /Permission denied/,
    status: 126,
  },
  { name: 'text without #!', argv: sh('echo "echo text \\$0" > /t; chmod 755 /t; /t'), text: 'text /t\n' },
];

/** The same started by a program of this machine, as a tool of the host would be. */
const NATIVE_WAYS: readonly Row[] = [
  'descriptor',
  'descriptor-name',
  'memory',
  'vfork',
  'spawn',
  'thread',
].map((way) => ({
  name: `a program started by a native one: ${way}`,
  argv: ['/bin/ways-native', way, '/bin/report', 'a'],
  text: /^\[\/bin\/report\] a uid 0 /,
  ...(['descriptor', 'memory'].includes(way) ? { but: { private: CLOSED, host: CLOSED } } : {}),
}));

const NEEDS = [
  'root',
  'private-binfmt',
  'command:aarch64-linux-gnu-gcc',
  'command:arm-linux-gnueabihf-gcc',
] as const;

describeWith(NEEDS, 'foreign programs', () => {
  describe.each(RUNGS)('on the %s rung', (name) => {
    let emulation: Emulation;
    beforeAll(() => {
      emulation = openRung(name);
    });
    afterAll(() => emulation[Symbol.asyncDispose]()); // the host's table must not help the next rung

    it.each([...ROWS, ...NATIVE_WAYS])(
      'run: $name',
      async ({ argv, uid, platform, text: usual, status, but }) => {
        const { outcome, text } = await run(emulation, argv, { uid: uid ?? 0 }, platform);
        const expected = but?.[name]?.text ?? usual;
        if (typeof expected === 'string') expect(text).toBe(expected);
        else expect(text).toMatch(expected);
        expect(outcome).toEqual({ kind: 'exited', status: but?.[name]?.status ?? status ?? 0 });
      },
    );

    it('end with the signal that killed them', async () => {
      const { outcome } = await run(emulation, sh('kill -SEGV $$'));
      expect(outcome).toEqual({ kind: 'signaled', signal: 'SIGSEGV' });
    });

    it('have a terminal', async () => {
      const chunks: Buffer[] = [];
      {
        await using terminal = openPseudoTerminal({ columns: 91, rows: 17 }, (data) => chunks.push(data));
        const { slave } = terminal;
        const console = readlinkSync(`/proc/self/fd/${slave}`);
        const streams = { stdin: slave, terminal: slave, console };
        const { outcome } = await run(emulation, sh('tty; stty size; report exit 5'), streams);
        expect(outcome).toEqual({ kind: 'exited', status: 5 });
      }
      expect(Buffer.concat(chunks).toString().replaceAll('\r\n', '\n')).toBe('/dev/console\n17 91\n');
    });

    it('leave nothing of the emulator in the layer', async () => {
      const { upper } = await run(emulation, sh('ls /dev/emulators; touch /made'));
      expect(readdirSync(upper)).toEqual(['made']);
    });

    it('are refused with the errno of the kernel, and no register is lost', async () => {
      const jail = name === 'prefix' ? ['/jail'] : [];
      const { outcome, text } = await run(emulation, ['/bin/hostile', '/bin/report', ...jail]);
      expect({ outcome, text }).toEqual({ outcome: { kind: 'exited', status: 0 }, text: '0 failures\n' });
    });
  });

  it('cannot change the emulator they are started with', async () => {
    await using emulation = openRung('prefix');
    const script = 'for f in /dev/emulators/*; do echo x > $f; rm $f; done 2>&1; report';
    const { text } = await run(emulation, sh(script));
    expect(text).toMatch(/Read-only file system/);
    expect(text).toContain(said('report'));
  });
});
