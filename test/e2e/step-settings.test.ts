/** The sandbox of RUN as the command line changes it: names, mounts, devices, limits, capabilities, masks, privileges. */
import { readFile, readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, tryBuild, writeFiles } from './projects.ts';
import { readSaved } from './saved-image.ts';

let cli: Cli;
beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const run = (command: string, args: readonly string[]): ReturnType<typeof build> =>
  build(cli, 'made', {
    kubefile: `FROM busybox\nRUN ${command}\n`,
    args: ['--dialect', 'dockerfile', ...args],
  });

/** What a command prints under these security options. */
const see = async (command: string, ...options: readonly string[]): Promise<string> =>
  (await run(command, ['--no-cache', ...options.flatMap((option) => ['--security-opt', option])])).log;

async function groupsProject(): Promise<string> {
  const project = cli.scratch.path('groups');
  await writeFiles(project, {
    Dockerfile: 'FROM busybox\nRUN grep Groups /proc/self/status; read line; echo read $line\n',
  });
  return project;
}

describeWith(['root', 'overlay'], 'the sandbox of RUN', () => {
  it('has the names and name servers it is told', async () => {
    const args = [
      '--add-host',
      'a;b:1.2.3.4',
      '--dns',
      '9.9.9.9',
      '--dns-search',
      'x.test',
      '--dns-option',
      'use-vc',
    ];
    const { log } = await run('cat /etc/hosts /etc/resolv.conf', args);
    expect(log).toMatch(/ 1\.2\.3\.4\ta b\n/);
    expect(log).toMatch(/ search x\.test\n.* nameserver 9\.9\.9\.9\n.* options use-vc\n/);
    expect(log.match(/ nameserver /g)).toHaveLength(1);
  });

  it('has the image’s own names when it is told so', async () => {
    const { log } = await run('test -e /etc/hosts || echo none', ['--no-hosts']);
    expect(log).toContain(' none\n');
  });

  it('is in groups besides, and reads what the build is given', async () => {
    const { stderr, status } = await cli.call(
      [
        'build',
        '--platform',
        'linux/arm64',
        '--dialect',
        'dockerfile',
        '--group-add',
        '4711',
        '--stdin',
        await groupsProject(),
      ],
      { input: 'given\n' },
    );
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/\] .*\b4711\b/);
    expect(stderr).toContain('] read given\n');
  });

  it('shows files and directories of the host, of which the layer knows nothing', async () => {
    const host = cli.scratch.path('host');
    await writeFiles(host, { in: 'IN' });
    const args = ['-v', `${host}:/vol`, '--volume', `${host}/in:/deep/er/file:ro`];
    const command =
      'cat /vol/in /deep/er/file && echo OUT > /vol/out && ! echo x > /deep/er/file; touch /own';
    const { log } = await run(command, args);
    expect(log).toContain('ININ');
    expect([await readFile(`${host}/out`, 'utf8'), await readFile(`${host}/in`, 'utf8')]).toEqual([
      'OUT\n',
      'IN',
    ]);
    expect(Object.keys((await readSaved(cli, 'made')).layers.at(-1) ?? {})).toEqual(['own']);
    expect((await run(command, args)).log).toContain('cached RUN');
    expect((await run(command, [])).log).not.toContain('cached RUN'); // it fails nowhere, and sees something else
    expect(await readdir(host)).toEqual(['in', 'out']);
  });

  it('has devices of the host', async () => {
    const { log } = await run('echo gone > /x/null; head -c 3 /dev/more | wc -c; ls -l /x/null', [
      ...['--device', '/dev/null:/x/null', '--device', '/dev/zero:/dev/more:rwm'],
    ]);
    expect(log).toMatch(/\] 3\n/);
    expect(log).toMatch(/crw-rw-rw-.* \/x\/null/);
  });

  it('has the room, the limits and the capabilities it is told', async () => {
    const command =
      'ulimit -Sn; ulimit -Hn; ulimit -t; grep -E "CapBnd|CapEff" /proc/self/status; grep " /dev/shm " /proc/mounts';
    const { log } = await run(command, [
      ...['--ulimit', 'nofile=100:200', '--ulimit', 'cpu=300', '--shm-size', '80m'],
      ...['--cap-add', 'sys_ptrace', '--cap-drop', 'chown,cap_mknod'],
    ]);
    expect(log).toMatch(/\] 100\n.*\] 200\n.*\] 300\n/);
    expect(log.match(/00000000a00c25fa/g)).toHaveLength(2);
    expect(log).toContain('size=81920k');
  });

  it('does not raise what the kernel does not let it, and says so', async () => {
    const { status, stderr } = await tryBuild(cli, 'no', {
      kubefile: 'FROM busybox\nRUN true\n',
      args: ['--ulimit', 'nofile=1:99999999999'],
    });
    expect([status, stderr]).toEqual([
      3,
      expect.stringMatching(/"raise 7 99999999999": EPERM.*hint: only root/s),
    ]);
  });

  it.each([
    [['--userns', 'host'], /--userns cannot be kept here\nhint: every step has the same sandbox/],
    [['--allow=security.insecure'], /--allow cannot be kept here/],
    [['--security-opt', 'seccomp=p.json'], /seccomp=p.json cannot be had here\nhint: there is no-new-priv/],
  ])('refuses %o with what to do instead', async (args, message) => {
    const { status, stderr } = await cli.call(['build', ...args, '.']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('is shown by --plan with its mounts', async () => {
    await writeFiles(cli.scratch.path('planned'), {
      Dockerfile: `FROM busybox
RUN --mount=type=cache,id=c,target=/c --mount=type=secret,id=s --mount=from=busybox,target=/b --mount=target=/ctx,ro true
`,
    });
    const args = ['--secret', `id=s,src=/etc/passwd`, '-v', '/tmp:/vol', '--ulimit', 'cpu=5'];
    const plan = await cli.run([
      'build',
      '--plan',
      '--emulate',
      'aarch64',
      ...args,
      cli.scratch.path('planned'),
    ]);
    for (const line of [
      'raise 0 5',
      'mount /tmp merged/vol bind,rec',
      'mount <cache c> merged/c bind,rec',
      'mount content/4 merged/run/secrets/s bind,rec',
      'lowerdir=mount-2/l/0,upperdir=mount-2/upper',
      'mount mount-2/merged/ merged/b bind,rec',
      'mount <scratch>/mount-3/source merged/ctx bind,rec',
      'limit 0 5 5',
    ])
      expect(plan).toContain(line);
  });

  it('has new privileges unless it is told otherwise', async () => {
    const command = 'grep NoNewPrivs /proc/self/status';
    expect(await see(command)).toMatch(/\] NoNewPrivs:\s0\n/);
    expect(await see(command, 'no-new-privileges')).toMatch(/\] NoNewPrivs:\s1\n/);
  });

  it('does not see what is masked: files, directories, the kernel’s, behind a link, and what is not there', async () => {
    const command =
      'echo "$(cat /etc/passwd /proc/version | wc -c) $(ls -A /link | wc -l) $(ls -A /proc/driver | wc -l)"; ! touch /real/y; test ! -e /nowhere';
    const { log } = await build(cli, 'masked', {
      kubefile: `FROM busybox\nRUN mkdir /real && touch /real/x && ln -s real /link\nRUN ${command}\n`,
      args: [
        '--security-opt',
        'mask=/etc/passwd:/proc/version:/proc/driver',
        '--security-opt',
        'mask=/link:/nowhere',
      ],
    });
    expect(log).toMatch(/\] 0 0 0\n/);
  });

  it('sees what is unmasked, and still cannot write the kernel’s settings', async () => {
    const command =
      'wc -c < /proc/interrupts; ls -A /sys/firmware | wc -l; echo x > /proc/sys/kernel/core_pattern || echo refused';
    expect(await see(command)).toMatch(/\] 0\n.*\] 0\n.*\n?.*\] refused\n/);
    expect(await see(command, 'unmask=/proc/inter*')).toMatch(/\] [1-9]\d*\n.*\] 0\n/);
    expect(await see(command, 'unmask=ALL')).toMatch(/\] [1-9]\d*\n.*\] [1-9]\d*\n.*\n?.*\] refused\n/);
  });

  it('has its own host name in a file where it is told so', async () => {
    const command = 'cat /etc/hostname || echo none';
    expect((await run(command, ['--no-hostname'])).log).toContain('] none\n');
    expect((await run(command, ['--hostname-file'])).log).toContain('] arch-build\n');
  });

  it('begins a tmpfs with what is there, and keeps nothing of it', async () => {
    const { log } = await build(cli, 'copied', {
      kubefile: `FROM busybox
RUN mkdir -p /d/sub && echo hi > /d/sub/file && ln -s sub/file /d/link && chmod 4711 /d/sub/file && chown 7:8 /d/sub && chmod 750 /d
RUN --mount=type=tmpfs,target=/d,tmpcopyup cat /d/link && stat -c '%a %u:%g' /d /d/sub /d/sub/file && rm -r /d/sub && grep -c ' /d tmpfs ' /proc/mounts
RUN --mount=type=tmpfs,target=/new,tmpcopyup ls -A /new && cat /d/sub/file
RUN --mount=type=tmpfs,target=/d ls -A /d | wc -l
`,
    });
    expect(log).toMatch(/2\/4\] hi\n.*\] 750 0:0\n.*\] 755 7:8\n.*\] 4711 0:0\n.*\] 1\n/);
    expect(log).toMatch(/3\/4\] hi\n/);
    expect(log).toMatch(/4\/4\] 0\n/);
  });
});
