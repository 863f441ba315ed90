/** The command line as such: which words reach which command, and what is wrong usage. */
import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { CommanderError, type Command } from 'commander';
import { describe, expect, it, vi } from 'vitest';
import { exitStatusOf } from '../../src/cli/explain.ts';
import { COMMAND_GROUPS, groupsFor } from '../../src/cli/command-groups.ts';
import { createProgram, run } from '../../src/cli/program.ts';
import { makeNode, S_IFCHR } from '../../src/sys/special-file.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly error: unknown;
}

async function call(argv: readonly string[]): Promise<Outcome> {
  const text = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((data) => {
      text[name] += String(data);
      return true;
    }),
  );
  try {
    const status = await run(argv, new AbortController().signal);
    return { ...text, status, error: undefined };
  } catch (error) {
    return { ...text, status: exitStatusOf(error), error };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function openShop(): Promise<Scratch> {
  const scratch = await openScratch('cli');
  await scratch.write('context/Kubefile', 'FROM scratch\nARG V=none\nLABEL v=$V\n');
  return scratch;
}

const DIGEST = /^sha256:[0-9a-f]{64}\n$/;

describeWithRoot('build', () => {
  it('is the command when none is named, with its options before and after the context', async () => {
    await using shop = await openShop();
    const context = shop.path('context');
    const root = ['--root', shop.path('store')];
    const epoch = ['--source-date-epoch', '0'];
    const outcomes = [
      await call([...root, 'build', ...epoch, context]),
      await call([...root, ...epoch, context]),
      await call([...root, context, ...epoch]),
      await call([...root, '-t', 'x:1', ...epoch, context]),
      await call([...root, 'build', context, '-t', 'x:2', ...epoch, '--emulate', 'x86_64']),
    ];
    for (const { stdout, status } of outcomes) {
      expect(status).toBe(0);
      expect(stdout).toMatch(DIGEST);
      expect(stdout).toBe(outcomes[0]!.stdout);
    }
    const images = JSON.parse((await call([...root, 'images', '--json'])).stdout) as { name: string }[];
    expect(images.map(({ name }) => name).sort()).toEqual(['docker.io/library/x:1', 'docker.io/library/x:2']);
  });

  it('takes repeated options and lists', async () => {
    await using shop = await openShop();
    const argv = [
      '--root',
      shop.path('store'),
      '-q',
      '--platform',
      'linux/amd64,linux/arm64',
      '--platform',
      'linux/s390x',
    ];
    const { stdout, stderr } = await call([
      ...argv,
      '--build-arg',
      'V=a=b',
      '--label',
      'l=1',
      '-t',
      'x',
      shop.path('context'),
    ]);
    expect(stdout).toMatch(DIGEST);
    expect(stderr).toBe('');
    const inspected = await call(['--root', shop.path('store'), 'inspect', 'x']);
    const { platforms } = JSON.parse(inspected.stdout) as {
      platforms: { platform: string; config: { config: object } }[];
    };
    expect(platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64', 'linux/s390x']);
    expect(platforms[0]?.config.config).toMatchObject({ Labels: { v: 'a=b', l: '1' } });
  });

  it('writes the digest and what was built to files', async () => {
    await using shop = await openShop();
    const files = ['--iidfile', shop.path('iid'), '--metadata-file', shop.path('meta.json')];
    const { stdout } = await call(['--root', shop.path('store'), ...files, '-t', 'x', shop.path('context')]);
    expect(`${readFileSync(shop.path('iid'), 'utf8')}\n`).toBe(stdout);
    expect(JSON.parse(readFileSync(shop.path('meta.json'), 'utf8'))).toMatchObject({
      'containerimage.digest': stdout.trim(),
      'image.name': 'docker.io/library/x:latest',
    });
  });

  it('of a file without an end refuses it', async () => {
    await using shop = await openShop();
    const { status, error } = await call([
      '--root',
      shop.path('store'),
      '-f',
      '/dev/zero',
      shop.path('context'),
    ]);
    expect({ status, error }).toMatchObject({ status: 1, error: { code: 'KUBEFILE_NOT_FOUND' } });
  });

  it('of a file below a file says that there is none', async () => {
    await using shop = await openShop();
    const { status, error } = await call(['--root', shop.path('store'), '-f', '/etc/passwd/Kubefile']);
    expect({ status, error }).toMatchObject({ status: 1, error: { code: 'KUBEFILE_NOT_FOUND' } });
  });

  it('of a context without a file says which it looked for', async () => {
    await using shop = await openShop();
    mkdirSync(shop.path('empty'));
    const { status, stdout, error } = await call(['--root', shop.path('store'), shop.path('empty')]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(error).toMatchObject({ code: 'KUBEFILE_NOT_FOUND' });
  });

  it('of an unknown machine, system or key is wrong usage, never a crash', async () => {
    await using shop = await openShop();
    const context = shop.path('context');
    const statusOf = async (...argv: string[]): Promise<number> =>
      (await call(['--root', shop.path('store'), ...argv, context])).status;
    expect(await statusOf('--platform', 'linux/a/b/c/d')).toBe(2);
    expect(await statusOf('--platform', 'nonsense!')).toBe(2);
    expect(await statusOf('--build-arg', '=x')).toBe(2);
    expect(await statusOf('--tag', 'UPPER')).toBe(1);
  });

  it.each([
    'ADD http://127.0.0.1:1/team/project.git /src/',
    'ADD http://127.0.0.1:1/team/project.git#main:docs /src/',
    'ADD ssh://git@127.0.0.1:1/team/project /src/',
  ])('says of %s what git says', async (line) => {
    await using shop = await openShop();
    await shop.write('context/Kubefile', `FROM scratch\n${line}\n`);
    const { status, error } = await call(['--root', shop.path('store'), shop.path('context')]);
    expect(error).toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/^git ls-remote ended with \d+: ./) as string,
    });
    expect(status).toBe(1);
  });

  it('writes its result files into a device without replacing it', async () => {
    await using shop = await openShop();
    const device = shop.path('null');
    makeNode(Buffer.from(device), S_IFCHR | 0o666, { major: 1, minor: 3 });
    const argv = ['--root', shop.path('store'), '--iidfile', device, '--metadata-file', device];
    expect(await call([...argv, shop.path('context')])).toMatchObject({ status: 0, error: undefined });
    expect(lstatSync(device).isCharacterDevice()).toBe(true);
  });

  it('has the times asked for, also when the steps are cached from a build with others', async () => {
    await using shop = await openShop();
    const root = ['--root', shop.path('store')];
    await shop.write('context/Kubefile', 'FROM scratch\nWORKDIR /w\nLABEL a=b\n');
    const digestOf = async (...argv: string[]): Promise<string> =>
      (await call([...root, ...argv, shop.path('context')])).stdout;
    const plain = await digestOf();
    const first = await digestOf('--source-date-epoch', '1000');
    expect(await digestOf('--source-date-epoch', '1000')).toBe(first);
    expect(await digestOf('--no-cache', '--source-date-epoch', '1000')).toBe(first);
    expect(await digestOf('--source-date-epoch', '2000')).not.toBe(first);
    expect(await digestOf()).toBe(plain);
    const { stdout } = await call([...root, 'history', '--json', first.trim()]);
    const created = (JSON.parse(stdout) as { created: string }[]).map((entry) => entry.created);
    expect(created).toEqual(['1970-01-01T00:16:40.000Z', '1970-01-01T00:16:40.000Z']);
  });
});

describe('wrong usage', () => {
  it.each([
    ['an unknown option of a command', ['images', '--nope']],
    ['an unknown option without a command', ['--nope']],
    ['an unknown option of build', ['build', '--nope', '.']],
    ['an operand missing', ['tag', 'x']],
    ['an operand too many', ['build', '.', 'extra']],
    ['a value missing', ['build', '-t']],
    ['a choice that is none', ['build', '--pull', 'sometimes', '.']],
    ['a time that is none', ['build', '--source-date-epoch', '-1', '.']],
    ['a time after the year 9999', ['build', '--source-date-epoch', '253402300800', '.']],
    ['an option required', ['load']],
    ['an empty root', ['--root', '', 'images']],
    ['an unknown word below a command', ['binfmt', 'lss']],
    ['an unknown machine', ['emulators', 'ls', 'pdp11']],
  ])('ends with status 2 and nothing on stdout: %s', async (_what, argv) => {
    const { status, stdout, stderr, error } = await call(argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(error instanceof Error ? error.message : stderr).not.toBe('');
  });

  it('of a mistyped command says that the word was taken as a context', async () => {
    const { status, error } = await call(['imagse']);
    expect(status).toBe(1);
    expect(error).toMatchObject({ code: 'CONTEXT', hint: expect.stringContaining('--help') as string });
  });
});

describe('help and version', () => {
  it.each([
    ['--help'],
    ['help'],
    ['build', '--help'],
    ['run', '-h'],
    ['help', 'run'],
    ['binfmt', 'ls', '--help'],
  ])('are answers: %s %s', async (...argv) => {
    const { status, stdout, stderr } = await call(argv);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: arch-build/);
  });

  it('are of groups that know the names of their commands', () => {
    const context = { globals: () => expect.unreachable(), exitWith: () => undefined };
    for (const { names, make } of COMMAND_GROUPS) {
      const made = make(context).flatMap((command) => [command.name(), ...command.aliases()]);
      expect(made.sort()).toEqual([...names].sort());
    }
  });

  it('name every command with a description', () => {
    const program = createProgram(new AbortController().signal, () => undefined);
    const commands = program.commands.flatMap((command) => [command, ...command.commands]);
    expect(commands.length).toBeGreaterThan(18);
    for (const command of commands) {
      expect(command.description()).not.toBe('');
      for (const option of command.options) expect(option.description).not.toBe('');
    }
  });
});

describe('the commands that are made for a line', () => {
  const made = (...argv: string[]): string =>
    groupsFor(argv)
      .map(({ names }) => names[0])
      .join(' ');
  const all = COMMAND_GROUPS.map(({ names }) => names[0]).join(' ');

  it.each<[string[], string]>([
    [[], 'build'],
    [['-t', 'x', '.'], 'build'],
    [['build', 'images'], 'build'],
    [['--root', '/x', 'history', 'img'], 'build images'],
    [['unmount', 'x'], 'mount'],
    [['--root', 'run', 'pull', 'x'], 'build run copy'],
    [['imagse'], 'build'],
    [['images', '--help'], all],
    [['help', 'run'], all],
    [['completion', 'bash'], all],
    [['--version'], all],
    [['images', '--config', '/x.yaml'], all],
    [['--config=/x.yaml', 'images'], all],
  ])('are those that it may mean: %j', (argv, expected) => {
    expect(made(...argv)).toBe(expected);
  });

  it.each([
    ['images', '--jsno'],
    ['--root'],
    ['--wrong', '.'],
    ['rmi'],
    ['emulators'],
    ['emulators', 'lss'],
    ['build', 'a', 'b'],
    ['-t'],
    ['--retry', 'many', 'images'],
  ])('say of wrong words what all of them say: %s %s', async (...argv) => {
    const outcome = await call(argv);
    const program = createProgram(new AbortController().signal, () => undefined);
    let text = '';
    const listen = (command: Command): void => {
      command.configureOutput({ writeOut: (data) => (text += data), writeErr: (data) => (text += data) });
      command.commands.forEach(listen);
    };
    listen(program);
    await expect(program.parseAsync(argv, { from: 'user' })).rejects.toThrow(CommanderError);
    expect(outcome).toMatchObject({ status: 2, error: undefined });
    expect(outcome.stdout + outcome.stderr).toBe(text);
    expect(text).not.toBe('');
  });
});

describe('run', () => {
  const wordsOf = async (argv: readonly string[]): Promise<{ args: readonly string[]; options: object }> => {
    const program = createProgram(new AbortController().signal, () => undefined);
    const command = program.commands.find((each) => each.name() === 'run')!;
    let seen: { args: readonly string[]; options: object } | undefined;
    command.action((image: string, words: readonly string[], options: object) => {
      seen = { args: [image, ...words], options };
    });
    await program.parseAsync(['run', ...argv], { from: 'user' });
    return seen!;
  };

  it.each<[string[], string[]]>([
    [['img'], ['img']],
    [
      ['img', 'ls', '-l', '--color=auto'],
      ['img', 'ls', '-l', '--color=auto'],
    ],
    [
      ['-it', 'img', '-it', '--platform', 'x'],
      ['img', '-it', '--platform', 'x'],
    ],
    [
      ['img', '--help'],
      ['img', '--help'],
    ],
    [
      ['img', 'sh', '--', '-c'],
      ['img', 'sh', '--', '-c'],
    ],
    [
      ['-e', 'A=1', 'img', '-e', 'B=2'],
      ['img', '-e', 'B=2'],
    ],
  ])('hands on what stands after the image: %j', async (argv, args) => {
    expect((await wordsOf(argv)).args).toEqual(args);
  });

  it('takes its own options before the image', async () => {
    const argv = [
      '-it',
      '-e',
      'A=1',
      '-e',
      'B',
      '-v',
      '/a:/b',
      '-w',
      '/w',
      '-u',
      '1:2',
      '--entrypoint',
      '',
      'img',
      'x',
    ];
    expect((await wordsOf(argv)).options).toMatchObject({
      interactive: true,
      tty: true,
      env: ['A=1', 'B'],
      volume: ['/a:/b'],
      workdir: '/w',
      user: '1:2',
      entrypoint: '',
      network: 'host',
      isolation: 'auto',
      pull: 'missing',
    });
  });
});
