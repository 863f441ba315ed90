/** `arch-build run`: a foreign program behaves, as seen from outside, like one of the host's. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, STACK_TRACE } from './projects.ts';
import { openTerminal, PROGRAM } from './terminal.ts';
import { closeVerified } from './verified.ts';

const KUBEFILE = `FROM busybox
RUN echo 'user:x:1000:1000::/home/user:/bin/sh' >> /etc/passwd && echo 'staff:x:50:user' >> /etc/group
ENV GREETING=hello NAME="the world"
WORKDIR /work
USER user
ENTRYPOINT ["/bin/echo", "from"]
CMD ["the", "image"]
`;

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
  await build(cli, 'app', { kubefile: KUBEFILE });
});
afterAll(() => closeVerified(cli));

const sh = (script: string, options: readonly string[] = [], image = 'busybox'): string[] => [
  'run',
  ...options,
  image,
  'sh',
  '-c',
  script,
];

describeWith(['root', 'private-binfmt'], 'the exit status of run', () => {
  it.each([
    { name: 'a program that succeeds', args: sh('exit 0'), status: 0 },
    { name: 'a program that fails', args: sh('exit 7'), status: 7 },
    { name: 'the largest status', args: sh('exit 255'), status: 255 },
    { name: 'a program killed by SIGTERM', args: sh('kill -TERM $$'), status: 143 },
    { name: 'a program killed by SIGKILL', args: sh('kill -KILL $$'), status: 137 },
    { name: 'a child killed by a signal', args: sh('sh -c "kill -SEGV \\$\\$"'), status: 139 },
    { name: 'a program that is not there', args: ['run', 'busybox', 'no-such-program'], status: 127 },
    { name: 'a path that is not there', args: ['run', 'busybox', '/no/such/program'], status: 127 },
    { name: 'a file that is no program', args: ['run', 'busybox', '/etc/passwd'], status: 126 },
    { name: 'a directory', args: ['run', 'busybox', '/etc'], status: 126 },
  ])('is $status for $name', async ({ args, status }) => {
    const outcome = await cli.call(args);
    expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({ status, stdout: '' });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
  });

  it.each([
    { name: 'an image that is not there', args: ['run', '--pull', 'never', 'nothing', 'true'], status: 1 },
    { name: 'a volume that is not there', args: ['run', '-v', '/no/such:/x', 'busybox', 'true'], status: 2 },
    { name: 'a volume that is none', args: ['run', '-v', '/tmp', 'busybox', 'true'], status: 2 },
    { name: 'a user nobody has', args: ['run', '-u', 'nosuch', 'busybox', 'true'], status: 1 },
    { name: 'no program at all', args: ['run', 'busybox'], status: 2 },
    { name: 'an unknown option', args: ['run', '--no-such', 'busybox', 'true'], status: 2 },
  ])('is $status for $name, with one message', async ({ args, status }) => {
    const outcome = await cli.call(args);
    expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({ status, stdout: '' });
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    expect(outcome.stderr).toMatch(/^error/m);
  });
});

describeWith(['root', 'private-binfmt'], 'the image of run', () => {
  it('may be named by its digest', async () => {
    const { digest } = await build(cli, 'by-digest', { kubefile: 'FROM busybox\nENV A=b\n' });
    expect(await cli.run(sh('echo $A', [], digest))).toBe('b');
  });
});

describeWith(['root', 'private-binfmt'], 'the options of run', () => {
  it.each([
    { name: 'the entrypoint and command of the image', args: ['app'], stdout: 'from the image' },
    { name: 'a command behind the entrypoint', args: ['app', 'me'], stdout: 'from me' },
    {
      name: 'another entrypoint, without the image’s command',
      args: ['--entrypoint', '/bin/pwd', 'app'],
      stdout: '/work',
    },
    { name: 'no entrypoint', args: ['--entrypoint', '', 'app', 'uname', '-m'], stdout: 'aarch64' },
    { name: 'the working directory of the image', args: ['--entrypoint', 'pwd', 'app'], stdout: '/work' },
    { name: 'another working directory', args: ['-w', '/etc', 'busybox', 'pwd'], stdout: '/etc' },
    {
      name: 'the user of the image',
      args: ['--entrypoint', 'id', 'app'],
      stdout: 'uid=1000(user) gid=1000 groups=50(staff),1000',
    },
    { name: 'another user', args: ['-u', 'nobody', 'busybox', 'id', '-un'], stdout: 'nobody' },
    {
      name: 'a user and group by number',
      args: ['-u', '1234:77', 'busybox', 'id'],
      stdout: 'uid=1234 gid=77 groups=77',
    },
    {
      name: 'the environment of the image',
      args: ['--entrypoint', 'sh', 'app', '-c', 'echo $GREETING, $NAME'],
      stdout: 'hello, the world',
    },
    {
      name: 'a variable over the image’s',
      args: ['-e', 'NAME=you = me', '--entrypoint', 'sh', 'app', '-c', 'echo $NAME'],
      stdout: 'you = me',
    },
    {
      name: 'options of the program, not of run',
      args: ['busybox', 'echo', '-e', 'a', '--platform'],
      stdout: 'a --platform',
    },
    {
      name: 'the home of the user',
      args: ['--entrypoint', 'sh', 'app', '-c', 'echo $HOME'],
      stdout: '/home/user',
    },
  ])('give it $name', async ({ args, stdout }) => {
    expect(await cli.run(['run', ...args])).toBe(stdout);
  });

  it('take a variable without value from the environment, and none of the others', async () => {
    const args = ['run', '-e', 'ASKED', '-e', 'ABSENT', 'busybox', 'env'];
    const env = { ASKED: 'yes', NOT_ASKED: 'no', LD_PRELOAD: undefined };
    const lines = (await cli.run(args, { env })).split('\n').filter((line) => !line.startsWith('QEMU_CPU='));
    expect(lines.sort()).toEqual([
      'ASKED=yes',
      'HOME=/root',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });

  it('show directories and files of the host, writable and read-only', async () => {
    const shared = cli.scratch.path('shared');
    await mkdir(shared);
    await writeFile(`${shared}/in`, 'from the host');
    await cli.run(sh('cp /mnt/a/in /mnt/a/out', ['-v', `${shared}:/mnt/a`]));
    expect(await readFile(`${shared}/out`, 'utf8')).toBe('from the host');
    expect(
      await cli.run(['run', '-v', `${shared}/in:/etc/one-file:ro`, 'busybox', 'cat', '/etc/one-file']),
    ).toBe('from the host');
    const refused = await cli.call(sh('echo x > /mnt/a/never', ['-v', `${shared}:/mnt/a:ro`]));
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Read-only file system');
  });

  it('let a program write, for the time of its run', async () => {
    expect(await cli.run(sh('echo x > /etc/new; cat /etc/new'))).toBe('x');
    expect((await cli.call(['run', 'busybox', 'cat', '/etc/new'])).status).toBe(1);
  });

  it('keep it off the network with --network none', async () => {
    expect(await cli.run(sh('sed -n "s/:.*//p" /proc/net/dev', ['--network', 'none']))).toBe('    lo');
  });
});

describeWith(['root', 'private-binfmt'], 'the streams of run', () => {
  it('keep standard output and standard error apart', async () => {
    const { stdout, stderr } = await cli.call(sh('echo out; echo err >&2'));
    expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('hand on standard input with -i, byte by byte', async () => {
    const input = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 256));
    const stdout = await cli.run(['run', '-i', 'busybox', 'md5sum'], { input });
    const { createHash } = await import('node:crypto');
    expect(stdout).toBe(`${createHash('md5').update(input).digest('hex')}  -`);
  });

  it('are at their end at once without -i', async () => {
    expect(await cli.run(['run', 'busybox', 'wc', '-c'], { input: 'unseen' })).toBe('0');
  });

  it('lose nothing of a large output', async () => {
    const { stdout } = await cli.call(
      sh('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done; exit 3'),
    );
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${String(index)}\n`);
    expect(stdout.length).toBe(lines.join('').length);
    expect(stdout === lines.join('')).toBe(true);
  });

  it('can be opened by name, also by a user that is not root', async () => {
    // through real pipes: what this process would give are sockets, which no name opens
    const args = [
      process.execPath,
      PROGRAM,
      ...sh('echo out > /dev/stdout; echo err > /dev/stderr', ['-u', 'nobody']),
    ];
    const env = { ARCH_BUILD_ROOT: cli.root };
    expect(await runTool('sh', ['-c', '"$@" 2>&1 | cat', 'sh', ...args], { env })).toBe('out\nerr\n');
  });

  it('end the program when interrupted, with the host as it was', async () => {
    const before = captureCliState(cli);
    const outcome = await cli.call(sh('echo ready; sleep 100'), {
      interrupt: { signal: 'SIGINT', when: 'ready' },
    });
    expect(outcome.status).toBe(130);
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });
});

describeWith(['root', 'private-binfmt'], 'run -it', () => {
  it('gives the program a terminal of ours’ size, and tells it when the size changes', async () => {
    await using terminal = openTerminal(cli, ['run', '-it', 'busybox', 'sh'], { columns: 90, rows: 33 });
    await terminal.type('tty; stty size\n', /\/dev\/console\r\n[^]*33 90\r\n/);
    terminal.resize(120, 40);
    await terminal.type('stty size\n', '40 120');
    await terminal.type('exit 5\n', /exit 5/);
    expect(await terminal.exited).toBe(5);
  });

  it('lets a user that is not root open the terminal', async () => {
    await using terminal = openTerminal(
      cli,
      sh('echo one > /dev/tty; echo two > /dev/stderr; echo three > "$(tty)"', ['-it', '-u', 'nobody']),
    );
    expect(await terminal.exited).toBe(0);
    expect(terminal.text()).toBe('one\r\ntwo\r\nthree\r\n');
  });

  it('hands Ctrl-C to the program, not to us', async () => {
    // no `read` here: a signal just before it blocks is not seen before it returns
    const script = 'trap "echo trapped; exit 9" INT; echo ready; while :; do sleep 0.1; done';
    await using terminal = openTerminal(cli, sh(script, ['-it']));
    await terminal.until('ready');
    await terminal.type('\u0003', 'trapped');
    expect(await terminal.exited).toBe(9);
  });

  it('ends the program at the end of input', async () => {
    await using terminal = openTerminal(cli, ['run', '-it', 'busybox', 'cat']);
    await terminal.type('echoed\n', /echoed[^]*echoed/);
    terminal.write('\u0004');
    expect(await terminal.exited).toBe(0);
  });

  it.each([
    ['a shell that is not there yet', ['sh'], 'echo "<$((6 * 7))>"\n', /<42>\r\n/],
    ['a shell at work', ['sh'], 'sleep 0.5; echo "<$((6 * 7))>"\n', /<42>\r\n/],
    ['half a line', ['cat'], 'one\nhalf', /^one\r\n[^]*half[^]*half$/],
    ['nothing', ['cat'], '', /^$/],
  ])('ends the program at the end of a pipe: %s', async (_, command, input, shown) => {
    const { status, stdout } = await cli.call(['run', '-it', 'busybox', ...command], { input });
    expect(status).toBe(0);
    expect(stdout).toMatch(shown);
  });

  it('loses nothing of 200 kB that the program writes last', async () => {
    await using terminal = openTerminal(
      cli,
      sh('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done', ['-it']),
    );
    expect(await terminal.exited).toBe(0);
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${String(index)}\r\n`);
    expect(terminal.text().length).toBe(lines.join('').length);
    expect(terminal.text() === lines.join('')).toBe(true);
  });

  it('leaves the host as it was', async () => {
    const before = captureCliState(cli);
    {
      await using terminal = openTerminal(cli, ['run', '-it', 'busybox', 'true']);
      expect(await terminal.exited).toBe(0);
    }
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });
});

describe('run of a program for no terminal', () => {
  it('says with -t what is there for a program whose own input is no terminal', async () => {
    const { status, stdout } = await cli.call(sh('tty', ['-t']));
    expect(status).toBe(0);
    expect(stdout).toBe('/dev/console\r\n');
  });
});
