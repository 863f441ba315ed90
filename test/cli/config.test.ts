/** Config files: what they set, what goes before them, and that a mistake is told with its place. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyConfig, isShared, type Environment } from '../../src/cli/config/apply-config.ts';
import { formatDiagnostic } from '../../src/cli/diagnostic.ts';
import { createProgram } from '../../src/cli/program.ts';
import { ArchBuildError } from '../../src/errors.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'config-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Call {
  /** Of the command that runs, such as `images` or `cluster plan`. */
  readonly command?: string;
  readonly words?: readonly string[];
  readonly environment?: Environment;
}

function write(text: string | Buffer): string {
  const path = join(directory, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

/** The values of the program and of the command that runs, together. */
function valuesOf(
  text: string | Buffer,
  { command = 'build', words = [], environment = {} }: Call = {},
): object {
  const program = createProgram(new AbortController().signal, () => undefined);
  const find = (parent: Command, name: string): Command => {
    const found = parent.commands.find((each) => each.name() === name);
    if (found === undefined) throw new Error(`no command ${name}`);
    return found;
  };
  const running = command.split(' ').reduce(find, program);
  const { unknown } = running.parseOptions([...words]);
  program.parseOptions(unknown);
  applyConfig(write(text), { program, defaultCommand: find(program, 'build'), running }, environment);
  return { ...running.opts(), ...program.opts() };
}

function mistakeIn(text: string | Buffer): string {
  try {
    valuesOf(text);
  } catch (error) {
    if (error instanceof ArchBuildError && error.code === 'USAGE')
      return formatDiagnostic(error).replaceAll(directory, '');
    throw error;
  }
  throw new Error('it was taken');
}

describe('a config file', () => {
  it('sets global options, those of build, and those of other commands below their names', () => {
    const text = `
root: /srv/store
retry: 2
isolation: prefix
emulator: ["10.0.13", s390x=/opt/qemu]
jobs: 3
platform: linux/arm64,linux/s390x
no-cache: true
quiet: false
label: { a: 1.10, b: two }
run:
  network: none
cluster: { plan: { user: admin } }
`;
    expect(valuesOf(text)).toMatchObject({
      root: '/srv/store',
      retry: 2,
      isolation: 'prefix',
      emulator: ['10.0.13', 's390x=/opt/qemu'],
      jobs: 3,
      platform: ['linux/arm64', 'linux/s390x'],
      cache: false,
      label: ['a=1.10', 'b=two'],
      network: 'default',
    });
    expect(valuesOf(text)).not.toHaveProperty('quiet');
    expect(valuesOf(text, { command: 'run' })).toMatchObject({
      network: 'none',
      isolation: 'prefix',
      jobs: 8,
    });
    expect(valuesOf(text, { command: 'cluster plan' })).toMatchObject({ user: 'admin' });
  });

  it('counts for other commands where they have the very same option, and for no namesake', () => {
    const text = 'insecure: [r.test]\npull: always\nplatform: [linux/arm64]\nnetwork: none\nenv: [A=1]\n';
    expect(valuesOf(text, { command: 'run' })).toMatchObject({
      insecure: ['r.test'],
      pull: 'always',
      network: 'host',
      env: [],
    });
    expect(valuesOf(text, { command: 'push' })).toMatchObject({ insecure: ['r.test'], platform: [] });
    expect(valuesOf(text, { command: 'images' })).not.toHaveProperty('insecure');
  });

  it('says with these options the same to other commands, and with no others', () => {
    const program = createProgram(new AbortController().signal, () => undefined);
    const build = program.commands.find((each) => each.name() === 'build')!;
    const sharedBy = (name: string): string[] => {
      const command = program.commands.find((each) => each.name() === name)!;
      return build.options.filter((option) => isShared(option, command)).map(({ long }) => long!);
    };
    expect(sharedBy('push')).toEqual(['--insecure']);
    expect(sharedBy('doctor')).toEqual(['--json', '--emulator']);
    const withRun = sharedBy('run');
    for (const name of ['--pull', '--insecure', '--isolation', '--emulator', '--memory', '--pids-limit'])
      expect(withRun).toContain(name);
    for (const name of ['--platform', '--jobs', '--network', '--env', '--volume', '--tag'])
      expect(withRun).not.toContain(name);
  });

  it('has its paths where it is itself, or at home', () => {
    mkdirSync(join(directory, 'sub'));
    expect(
      valuesOf('root: sub\nauthfile: ~/auth.json\nfile: ["-", Kubefile]\ncgroup-parent: x.slice\n'),
    ).toMatchObject({
      root: join(directory, 'sub'),
      authfile: join(homedir(), 'auth.json'),
      file: ['-', join(directory, 'Kubefile')],
      cgroupParent: 'x.slice',
    });
  });

  it.each(['', '---\n', '# nothing\n', '~\n'])('may say nothing: %j', (text) => {
    expect(valuesOf(text)).toEqual(valuesOf('{}'));
  });

  it('may name a value once and use it twice', () => {
    expect(valuesOf('insecure: &hosts [a.test]\nbuild: { cap-add: *hosts }\n')).toMatchObject({
      insecure: ['a.test'],
      capAdd: ['a.test'],
    });
  });
});

describe('before a config file goes', () => {
  const TEXT =
    'jobs: 3\nroot: /of/file\nplatform: linux/arm64\ninsecure: [file.test]\nlimit: [path-depth=5]\n';

  it('the command line, a list as a whole, and with it what is about the same', () => {
    const words = ['--jobs', '7', '--insecure', 'said.test', '--emulate', 's390x', '--root', '/said'];
    expect(valuesOf(TEXT, { words })).toMatchObject({
      jobs: 7,
      insecure: ['said.test'],
      emulate: ['s390x'],
      platform: [],
      root: '/said',
    });
    expect(valuesOf(TEXT, { words: ['--no-limits'] })).toMatchObject({ limit: [], limits: false });
  });

  it('the environment', () => {
    const environment = { ARCH_BUILD_ROOT: '/of/environment', ARCH_BUILD_LIMITS: 'none' };
    const values = valuesOf(TEXT, { environment });
    expect(values).not.toHaveProperty('root');
    expect(values).toMatchObject({ limit: [], jobs: 3 });
    expect(valuesOf(TEXT, { environment: { ARCH_BUILD_ROOT: '' } })).toMatchObject({ root: '/of/file' });
  });

  it('in the file itself what stands below the command’s name', () => {
    expect(valuesOf('pull: always\nrun: { pull: never }\n', { command: 'run' })).toMatchObject({
      pull: 'never',
    });
  });
});

describe('a mistake in a config file', () => {
  it.each<[string, string, RegExp]>([
    [
      'an unknown option',
      'isolaton: auto\n',
      /config\.yaml:1:1: .*"isolaton"[^]*\^{9}\nhint: did you mean isolation\?/,
    ],
    ['dashes', '--jobs: 3\n', /did you mean jobs\?/],
    ['an option of another command', 'interactive: true\n', /it is an option of run: write it below "run:"/],
    ['one of no command', 'run:\n  tags: x\n', /config\.yaml:2:3: there is no option "tags"/],
    ['a global option below a command', 'run:\n  root: /x\n', /:2:3: there is no option "root"/],
    ['what belongs on the command line', 'plan: true\n', /plan belongs on the command line/],
    ['a key twice', 'jobs: 1\njobs: 2\n', /:2:1: jobs is here twice/],
    ['a value that is none', 'isolation: magic\n', /:1:12: isolation cannot be "magic": Allowed choices are/],
    ['no number', 'jobs: [a]\n', /jobs takes one value/],
    ['a number that is none', 'jobs: many\n', /jobs cannot be "many": write a number from 1 on/],
    ['a value in another section than runs', 'run: { cgroupns: mine }\n', /cgroupns cannot be "mine"/],
    ['nothing', 'jobs:\n', /jobs has no value here/],
    ['null in a list', 'insecure: [~]\n', /insecure has no value here/],
    ['a switch that is no boolean', 'no-cache: "true"\n', /no-cache is a switch: write true or false/],
    ['a list of lists', 'insecure: [[a]]\n', /insecure takes one value/],
    ['a mapping for a list of words', 'insecure: { a: b }\n', /insecure takes a list of values/],
    ['a mapping in a mapping', 'label: { a: { b: c } }\n', /a takes one value/],
    ['a word', 'jobs\n', /:1:1: write options and their values/],
    ['a list', '- jobs\n', /write options and their values/],
    ['a command without options', 'run: 5\n', /:1:6: write options and their values/],
    ['no YAML', 'a: [1\n', /this is no YAML we can use/],
    ['a key that is none', '? [a]\n: 1\n', /a key is no word/],
    ['two documents', 'jobs: 1\n---\njobs: 2\n', /several documents/],
    ['an alias of nothing', 'jobs: *none\n', /:1:1: this is no YAML we can use/],
    ['an alias of itself', 'label: &a [*a]\n', /nested too deep/],
    ['an alias that grows', `a: &a [x, x]\n${'b'.repeat(3)}: [*a]\n`, /no option "a"/],
  ])('%s', (_what, text, message) => {
    expect(mistakeIn(text)).toMatch(message);
  });

  it('that would expand without end is found at once', () => {
    const levels = Array.from(
      { length: 30 },
      (_, at) => `l${at}: &l${at} [${`*l${at - 1},`.repeat(at === 0 ? 0 : 9)}x]`,
    );
    const doubling = `label: &a [${'*a,'.repeat(50)}x]\n`;
    const started = Date.now();
    for (const text of [
      levels.join('\n'),
      doubling,
      `label: ${'['.repeat(100_000)}`,
      `x: ${'{a: '.repeat(4000)}`,
    ])
      expect(mistakeIn(text)).toMatch(/config\.yaml:\d+/);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it.each<[string, () => string, RegExp]>([
    ['missing', () => join(directory, 'none'), /cannot be read: ENOENT/],
    [
      'a directory, as docker has it',
      () => directory,
      /it is a directory\nhint: .*--authfile DIR\/config\.json/,
    ],
    ['a device', () => '/dev/zero', /not a regular file/],
    ['binary', () => write(Buffer.from([0x6a, 0xff, 0xfe, 0])), /not UTF-8/],
    ['huge', () => write('#'.repeat(2 << 20)), /larger than 1 MiB/],
  ])('is also a file that is %s', (_what, make, message) => {
    const program = createProgram(new AbortController().signal, () => undefined);
    const build = program.commands.find((each) => each.name() === 'build')!;
    const apply = (): void => applyConfig(make(), { program, defaultCommand: build, running: build }, {});
    expect(apply).toThrow(ArchBuildError);
    try {
      apply();
    } catch (error) {
      expect(formatDiagnostic(error as ArchBuildError)).toMatch(message);
    }
  });

  it('never ends in anything but an error for the user', () => {
    const word = fc.constantFrom(
      'jobs',
      'root',
      'run',
      'label',
      'insecure',
      '&a',
      '*a',
      '!!x',
      '- ',
      ': ',
      '\n',
      '[',
      ']',
      '{',
      '}',
      '"',
      '|',
      '\u0000',
      '<<',
      '~',
      '1e999',
      'é',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        try {
          valuesOf(words.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(ArchBuildError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
