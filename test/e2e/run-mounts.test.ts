/** `RUN --mount` of every type: what the step sees, what stays out of the layer, and what makes it run again. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, cachedSteps, STACK_TRACE, tryBuild, type Files } from './projects.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;
beforeAll(async () => {
  cli = await openBusyboxCli();
});
afterAll(() => closeVerified(cli));

const ARGS = ['--dialect', 'dockerfile'];
let count = 0;

/** What the last step printed. */
async function outputOf(
  kubefile: string,
  files: Files = {},
  args: readonly string[] = [],
): Promise<string[]> {
  const folder = `context-${count++}`;
  const { log } = await build(cli, 'mounts', {
    kubefile,
    files,
    folder,
    args: [...ARGS, ...args, '--no-cache'],
  });
  return log.split('\n').flatMap((line) => /^\[\S+ \S+ \d+\/\d+\] > ?(.*)$/.exec(line)?.[1] ?? []);
}

const layerPaths = async (): Promise<string> => cli.run(['run', 'mounts', 'find', '/', '-xdev']);
const NEEDS = ['root', 'private-binfmt'] as const;

describeWith(NEEDS, 'a bind mount', () => {
  it('shows a directory or a file of the context, root’s, without what is ignored', async () => {
    const files = { 'd/a': 'A', 'd/b': 'B', f: 'F', '.dockerignore': 'd/b\n' };
    const kubefile = `FROM busybox
RUN --mount=type=bind,target=/src --mount=source=f,target=/file,ro echo "> $(cd /src; find . | sort | tr '\\n' ' ')$(cat /file) $(stat -c %u:%g /src/f)"
`;
    expect(await outputOf(kubefile, files)).toEqual(['. ./.dockerignore ./Kubefile ./d ./d/a ./f F 0:0']);
    expect(await layerPaths()).not.toMatch(/\/(src|file)$/m);
  });

  it('is read-only unless it says otherwise, and what is written is thrown away', async () => {
    const kubefile = `FROM busybox AS base
RUN mkdir /data && echo old > /data/x && chown 5:6 /data/x
FROM busybox
RUN --mount=from=base,source=/data,target=/ro --mount=from=base,source=/data,target=/rw,rw --mount=target=/ctx,rw \\
  touch /ro/y 2>/dev/null || (echo new > /rw/x; touch /rw/y /ctx/z; echo "> $(cat /rw/x) $(stat -c %u:%g /ro/x) $(ls /rw | tr '\\n' ' ')")
RUN --mount=from=base,source=/data,target=/again --mount=target=/ctx echo "> $(cat /again/x) $(ls /ctx)"
`;
    expect(await outputOf(kubefile)).toEqual(['new 5:6 x y ', 'old Kubefile']);
  });

  it('shows an image, and a single file of a stage', async () => {
    const kubefile = `FROM busybox AS made
RUN echo it > /made
FROM busybox
RUN --mount=from=made,source=/made,target=/made --mount=from=busybox,target=/other test -x /other/bin/busybox && echo "> $(cat /made)"
`;
    expect(await outputOf(kubefile)).toEqual(['it']);
  });

  it('is made inside another one, and relative to the working directory', async () => {
    const kubefile = `FROM busybox
WORKDIR /work
RUN --mount=target=src --mount=type=cache,target=src/cache --mount=type=tmpfs,target=/dev/mine \\
  echo "> $(ls src | tr '\\n' ' ')" && touch src/cache/x /dev/mine/x && ! touch src/y 2>/dev/null
`;
    expect(await outputOf(kubefile, { f: '' })).toEqual(['Kubefile cache f ']);
  });

  it('makes the step run again when its files change, and only then', async () => {
    const kubefile = 'FROM busybox\nRUN --mount=target=/src,source=d cat /src/x\n';
    const attempt = async (text: string, other: string): Promise<string[]> =>
      cachedSteps((await build(cli, 'again', { kubefile, files: { 'd/x': text, other }, args: ARGS })).log);
    await attempt('one', '1');
    expect(await attempt('one', '2')).toHaveLength(1);
    expect(await attempt('two', '2')).toHaveLength(0);
  });
});

describeWith(NEEDS, 'a cache mount', () => {
  it('keeps what was written for later builds, under its id, with its mode and owner', async () => {
    const write =
      'FROM busybox\nRUN --mount=type=cache,id=one,target=/c,uid=7,gid=8,mode=750 echo kept > /c/x\n';
    await outputOf(write);
    const read = `FROM busybox
RUN --mount=type=cache,id=one,target=/elsewhere --mount=type=cache,target=/two echo "> $(cat /elsewhere/x) $(stat -c '%u:%g %a' /elsewhere) $(ls /two)"
`;
    expect(await outputOf(read)).toEqual(['kept 7:8 750 ']);
    expect(await layerPaths()).not.toMatch(/\/(elsewhere|two)$/m);
  });

  it('starts with what it is told to', async () => {
    const kubefile = `FROM busybox AS seed
RUN mkdir -p /seed/d && echo s > /seed/d/x
FROM busybox
RUN --mount=type=cache,id=seeded,from=seed,source=/seed,target=/c echo "> $(cat /c/d/x)"
`;
    expect(await outputOf(kubefile)).toEqual(['s']);
    const changed = kubefile.replace('echo s >', 'echo t >');
    expect(await outputOf(changed)).toEqual(['t']);
    const bare = 'FROM busybox\nRUN --mount=type=cache,id=seeded,target=/c echo "> $(ls /c)"\n';
    expect(await outputOf(bare)).toEqual(['']);
  });

  it('is shown in part: a directory or a file that is there, by symlinks that stay inside', async () => {
    const hostFile = await cli.scratch.write('outside/file', 'of the host');
    const kubefile = `FROM busybox
RUN --mount=type=cache,id=parts,target=/c mkdir -p /c/sub && echo x > /c/sub/file && ln -s /sub /c/link && ln -s ${hostFile} /c/out
RUN --mount=type=cache,id=parts,source=sub,target=/c echo "> $(cat /c/file)" && touch /c/new
RUN --mount=type=cache,id=parts,source=../../link/,target=/c,ro echo "> $(echo $(ls /c)) $(touch /c/never 2>/dev/null || echo ro)"
RUN --mount=type=cache,id=parts,source=sub/file,target=/c echo "> $(cat /c)"
`;
    expect(await outputOf(kubefile)).toEqual(['x', 'file new ro', 'x']);
    for (const source of ['nope', '../../..' + hostFile, 'out']) {
      const missing = `FROM busybox\nRUN --mount=type=cache,id=parts,source=${source},target=/c cat /c\n`;
      const { status, stderr } = await tryBuild(cli, 'x', { kubefile: missing, args: ARGS });
      expect([status, stderr.includes('the cache "parts" has no ')], stderr).toEqual([1, true]);
    }
  });

  it('is another one while a private one is in use, and is waited for when it is locked', async () => {
    const kubefile = (sharing: string): string => `FROM busybox
RUN --mount=type=cache,id=${sharing},sharing=${sharing},target=/c (mkdir /c/busy || echo "> busy"); sleep 1; rmdir /c/busy
`;
    for (const sharing of ['private', 'locked']) {
      const both = await Promise.all([outputOf(kubefile(sharing)), outputOf(kubefile(sharing))]);
      expect(both).toEqual([[], []]);
    }
  });

  it('is removed by prune', async () => {
    await outputOf('FROM busybox\nRUN --mount=type=cache,id=pruned,target=/c touch /c/x\n');
    await cli.run(['prune']);
    expect(
      await outputOf('FROM busybox\nRUN --mount=type=cache,id=pruned,target=/c echo "> $(ls /c)"\n'),
    ).toEqual(['']);
  });
});

describeWith(NEEDS, 'a secret', () => {
  it('is a file in memory or a variable, and nowhere else', async () => {
    const secret = 'not-to-be-found-4711';
    const file = await cli.scratch.write('secret', secret);
    const kubefile = `FROM busybox
RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=TOKEN --mount=type=secret,id=s,target=/t/s,uid=3,gid=4,mode=0440 \\
  test "$(cat /run/secrets/s)" = "$TOKEN" && test "$TOKEN" = "$(cat /t/s)" && echo "> $(stat -c '%u:%g %a' /run/secrets/s /t/s | tr '\\n' ' ') $(env | grep -c TOKEN)"
`;
    const args = ['--secret', `id=s,src=${file}`, '--secret', 'id=e,env=THE_SECRET'];
    const context = {
      kubefile,
      folder: 'secret-context',
      args: [...ARGS, ...args, '--debug'],
      env: { THE_SECRET: secret },
    };
    const { log } = await build(cli, 'secretive', context);
    expect(log).toContain('> 0:0 400 3:4 440  1');
    expect(log).not.toContain(secret);
    await cli.run(['save', '-o', cli.scratch.path('secretive.tar'), 'secretive']);
    const { stdout } = await cli.call(['inspect', 'secretive']);
    expect(stdout).not.toContain(secret);
    const search = 'grep -rl -- "$0" "$1" "$2" || true';
    const places = [cli.root, cli.scratch.path('secretive.tar')];
    const found = await runTool('sh', ['-c', search, secret, ...places]);
    expect(found).toBe('');
    expect(cachedSteps((await build(cli, 'secretive', context)).log)).toHaveLength(1);
  });

  it('holds any byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const file = await cli.scratch.write('bytes', bytes);
    const kubefile = 'FROM busybox\nRUN --mount=type=secret,id=b echo "> $(md5sum < /run/secrets/b)"\n';
    expect(await outputOf(kubefile, {}, ['--secret', `id=b,src=${file}`])).toEqual([
      'e2c865db4162bed963bfaa9ef6ac18f0  -',
    ]);
  });

  it.each([
    ['a file that is not there', 'id=s,src=/nowhere/token', '--secret s: cannot read /nowhere/token: ENOENT'],
    ['a directory', 'id=s,src=/usr', '--secret s: /usr is a directory'],
    ['neither a variable nor a file', 'id=no-such-secret', /--secret no-such-secret: cannot read .*: ENOENT/],
  ])('is refused before anything runs: %s', async (_, secret, refusal) => {
    const kubefile = 'FROM busybox\nRUN echo before\nRUN --mount=type=secret,id=s true\n';
    const { status, stderr } = await tryBuild(cli, 'x', { kubefile, args: [...ARGS, '--secret', secret] });
    expect(status).toBe(2);
    expect(stderr).toMatch(refusal);
    expect(stderr).not.toContain('RUN echo before');
  });

  it('may be missing unless it is required', async () => {
    expect(
      await outputOf(
        'FROM busybox\nRUN --mount=type=secret,id=none echo "> $(ls /run/secrets 2>&1 | wc -l)"\n',
      ),
    ).toEqual(['1']);
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile: 'FROM busybox\nRUN --mount=type=secret,id=none,required true\n',
      args: ARGS,
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/Kubefile:2:1: the secret none was not given[^]*hint: .*--secret id=none/);
  });
});

describeWith(NEEDS, 'an ssh agent', () => {
  let agent: Server;
  let socket: string;
  beforeAll(() => {
    socket = join(mkdtempSync(join(tmpdir(), 'arch-build-agent-')), 'agent');
    agent = createServer((client) => client.end('I am the agent\n')).listen(socket);
  });
  afterAll(() => {
    agent.close();
    rmSync(join(socket, '..'), { recursive: true });
  });

  it('is reached through a socket of the step’s own', async () => {
    const kubefile = `FROM busybox
RUN --mount=type=ssh,uid=5,mode=0600 echo "> $(stat -c '%u %a' $SSH_AUTH_SOCK) $(nc local:$SSH_AUTH_SOCK < /dev/null 2>/dev/null || echo $SSH_AUTH_SOCK)"
`;
    const [line] = await outputOf(kubefile, {}, ['--ssh', `default=${socket}`]);
    expect(line).toMatch(/^5 600 (I am the agent|\/run\/buildkit\/ssh_agent\.0)$/);
  });
});

describeWith(NEEDS, 'a mount', () => {
  it.each([
    ['of an unknown type', 'type=bnd,target=/x', 'unknown mount type "bnd"', 'did you mean bind'],
    ['with an unknown option', 'type=tmpfs,target=/x,sourc=/y', 'unknown option "sourc"', ''],
    ['without a target', 'type=cache', 'target is missing', ''],
    ['over everything', 'target=/', 'nothing can be mounted at /', ''],
    ['over /proc', 'type=tmpfs,target=/proc/sys', 'nothing can be mounted at /proc/sys', ''],
    ['of a source that is not there', 'source=nope,target=/x', '"/nope"', ''],
    ['with a bad size', 'type=tmpfs,target=/x,size=much', 'size is a size such as 64m', ''],
  ])('%s is refused with its place', async (_name, mount, message, hint) => {
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile: `FROM busybox\nRUN --mount=${mount} true\n`,
      args: ARGS,
    });
    expect(status).toBe(1);
    expect(stderr).toContain('Kubefile:2:1');
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('does not leave the rootfs through symlinks of the image, of the context or of a cache', async () => {
    const hostFile = await cli.scratch.write('host/file', 'untouched');
    const outside = join(hostFile, '..');
    const poison = `FROM busybox\nRUN --mount=type=cache,id=poison,target=/c ln -sfn ${outside} /c/out\n`;
    await outputOf(poison);
    const through = `FROM busybox
RUN --mount=type=cache,id=poison,target=/c --mount=type=tmpfs,target=/c/out touch /c/out/x
`;
    const { status, stderr } = await tryBuild(cli, 'x', { kubefile: through, args: ARGS });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/ELOOP|ENOTDIR/);
    const image = `FROM busybox
RUN ln -s ${outside} /escape && ln -s ../../../..${outside} /up
RUN --mount=type=tmpfs,target=/escape --mount=type=tmpfs,target=/up/deep touch /escape/x /up/deep/x && echo "> $(find ${outside})"
`;
    const [seen] = await outputOf(image);
    expect(seen).toContain(outside); // inside the rootfs
    expect(readdirSync(outside)).toEqual(['file']);
  });

  it('of every type leaves the host as it was', async () => {
    const before = captureCliState(cli);
    const file = await cli.scratch.write('secret', 'x');
    await outputOf(
      `FROM busybox
RUN --mount=target=/a --mount=type=cache,target=/b --mount=type=tmpfs,target=/c --mount=type=secret,id=s true
`,
      {},
      ['--secret', `id=s,src=${file}`],
    );
    expect(diffHostState(before, captureCliState(cli))).toEqual([]);
  });
});
