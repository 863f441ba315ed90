/**
 * An ordinary user builds what root builds: the same layers byte for byte where the user has subordinate ids, with a
 * plain word about what cannot be where there are none.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { captureCliState, diffHostState } from '../support/host-state.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { runTool } from '../support/foreign-tools.ts';
import { busyboxRootfs } from './bases.ts';
import { debianRootfs } from './debian-rootfs.ts';
import { build, STACK_TRACE, tryBuild } from './projects.ts';

type UserCli = Awaited<ReturnType<typeof openUserCli>>;

/** An archive where the user can read it. */
async function handOver(cli: Cli, archive: string, name: string): Promise<string> {
  const path = cli.scratch.path(name);
  await copyFile(archive, path);
  await chmod(path, 0o644);
  return path;
}

const DEBIAN = `FROM debian
RUN useradd -m -u 1001 alice && groupadd -g 2002 team \\
 && mkdir -p /srv/a/b && for id in 1 33 100 1001 65533 65534; do echo $id > /srv/a/$id; chown $id:$id /srv/a/$id; done \\
 && chmod 4755 /srv/a/33 && ln /srv/a/1 /srv/a/b/hard && ln -s ../1 /srv/a/b/soft && mkfifo /srv/a/fifo \\
 && rm -rf /usr/share/doc /etc/motd && mkdir /usr/share/doc && touch /usr/share/doc/new && chown -R 1001:2002 /srv/a/b \\
 && mv /usr/share/zoneinfo /usr/share/zones && rm -f /etc/*- /var/log/lastlog /var/log/faillog
COPY --chown=alice:team file /home/alice/
FROM debian
COPY --from=0 /srv /srv
COPY --from=0 /dev/null /kept/null
USER 1001:2002
WORKDIR /home/alice/work
`;
const FILES = { file: 'hers\n' };
const ARGS = ['--dialect', 'dockerfile', '--source-date-epoch', '1700000000'];

interface Manifest {
  readonly layers: readonly { readonly digest: string }[];
}
const layersOf = async (cli: Cli, name: string): Promise<readonly string[]> => {
  const [{ manifest }] = (
    JSON.parse(await cli.run(['inspect', name])) as { platforms: [{ manifest: Manifest }] }
  ).platforms;
  return manifest.layers.map(({ digest }) => digest);
};

const NEEDS = ['root', 'private-binfmt', 'command:newuidmap', 'command:setpriv'] as const;

describeWith(NEEDS, 'a user with subordinate ids', () => {
  let user: UserCli;
  let root: Cli;
  beforeAll(async () => {
    [user, root] = [await openUserCli({ subordinateIds: 65_536 }), await openCli()];
    const rootfs = await handOver(user, await debianRootfs(), 'debian.tar');
    for (const cli of [user, root]) await cli.run(['import', rootfs, 'debian', '--platform', 'linux/arm64']);
    const busybox = await handOver(user, await busyboxRootfs(), 'busybox.tar');
    await user.run(['import', busybox, 'busybox', '--platform', 'linux/arm64']);
  });
  afterAll(async () => {
    await user[Symbol.asyncDispose]();
    await root[Symbol.asyncDispose]();
  });

  it('is told by doctor that everything is in order, whatever is on the PATH', async () => {
    await mkdir(user.scratch.path('closed'), { mode: 0o700 });
    const env = { PATH: `${user.scratch.path('closed')}:${process.env['PATH'] ?? ''}` };
    const report = JSON.parse(await user.run(['doctor', '--platform', 'arm64', '--json'], { env })) as {
      platforms: readonly object[];
    };
    expect(report.platforms).toMatchObject([{ buildable: true, rung: 'private' }]);
    await user.run(['binfmt', 'ls'], { env });
  });

  it('imports the layer that root imports, with its many owners and device nodes', async () => {
    expect(await layersOf(user, 'debian')).toEqual(await layersOf(root, 'debian'));
  });

  it('builds the layers that root builds', async () => {
    for (const cli of [user, root]) await build(cli, 'same', { kubefile: DEBIAN, files: FILES, args: ARGS });
    const layers = await layersOf(user, 'same');
    expect(layers).toHaveLength(4);
    expect(layers).toEqual(await layersOf(root, 'same'));
  });

  it('is read by its own verification and by skopeo', async () => {
    await build(user, 'same', { kubefile: DEBIAN, files: FILES, args: ARGS });
    await user.run(['verify', 'same']);
    const archive = `${user.home}/same.tar`;
    await user.run(['save', '-o', archive, 'same']);
    expect(await runTool('skopeo', ['inspect', `oci-archive:${archive}`])).toContain(
      '"Architecture": "arm64"',
    );
  });

  it('has apt, sudo and capabilities work in steps', async () => {
    const kubefile = `FROM debian
RUN apt-get update && apt-get install -y --no-install-recommends sudo libcap2-bin && setcap cap_net_raw+ep /usr/bin/sha1sum
RUN useradd -m bob && echo 'bob ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/bob
USER bob
RUN test "$(sudo id -u)" = 0 && test "$(id -un)" = bob && getcap /usr/bin/sha1sum | grep cap_net_raw=ep
`;
    await build(user, 'apt', { kubefile });
    expect(await user.run(['run', 'apt', 'stat', '-c', '%U %a', '/usr/bin/sudo'])).toBe('root 4755');
  });

  it('runs images, and gets their status', async () => {
    expect(await user.run(['run', 'busybox', 'sh', '-c', 'uname -m; id -u'])).toBe('aarch64\n0');
    expect((await user.call(['run', 'busybox', 'sh', '-c', 'exit 42'])).status).toBe(42);
    expect((await user.call(['run', 'busybox', 'sh', '-c', 'kill -TERM $$'])).status).toBe(143);
  });

  it('reads a Kubefile from standard input, which the program that replaces us still has', async () => {
    const { status, stdout } = await user.call(['--emulate', 'aarch64', '-q', '-f', '-', '.'], {
      input: 'FROM busybox\nRUN true\n',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^sha256:/);
  });

  const SLOW = 'FROM busybox\nARG N\nRUN (sleep 300 & sleep 300) & echo ready; sleep 300; echo never\n';
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 130],
    ['SIGKILL', null],
  ] as const)('leaves nothing behind after %s', async (signal, status) => {
    const before = captureCliState(user);
    const outcome = await tryBuild(user, 'cut', {
      kubefile: SLOW,
      args: ['--build-arg', `N=${signal}`],
      interrupt: { signal, when: /\] ready/ },
    });
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    const deadline = Date.now() + 10_000;
    while (Date.now() < deadline && diffHostState(before, captureCliState(user)).length > 0) await sleep(50);
    expect(diffHostState(before, captureCliState(user))).toEqual([]);
    expect((await readdir(`${user.root}/tmp`)).filter((name) => name.startsWith('session-'))).toEqual([]);
  });

  it('has a store of its own, which root does not touch', async () => {
    const { status, stderr } = await root.call(['--root', user.root, 'run', 'busybox', 'true']);
    expect(status).toBe(1);
    expect(stderr).toContain('was made by a user with subordinate ids');
    await user.run(['prune']);
    expect((await stat(user.root)).uid).not.toBe(0);
  });
});

describeWith(NEEDS, 'a user with few ids', () => {
  it('is told which owner of a base is not mapped', async () => {
    await using user = await openUserCli({ subordinateIds: 10 });
    const rootfs = await handOver(user, await debianRootfs(), 'debian.tar');
    const { status, stderr } = await user.call(['import', rootfs, 'debian', '--platform', 'linux/arm64']);
    expect(status).toBe(3);
    expect(stderr).toMatch(/cannot unpack \S+: the owner \d+:\d+ is not mapped here\nhint: .*\/etc\/subuid/);
  });
});

describeWith(NEEDS, 'a user with a single id', () => {
  let user: UserCli;
  beforeAll(async () => {
    user = await openUserCli();
    const busybox = await handOver(user, await busyboxRootfs(), 'busybox.tar');
    await user.run(['import', busybox, 'busybox', '--platform', 'linux/arm64']);
  });
  afterAll(() => user[Symbol.asyncDispose]());

  it('builds, and is told before the first step what will not work', async () => {
    const { log } = await build(user, 'single', {
      kubefile: 'FROM busybox\nRUN test "$(uname -m)" = aarch64 && touch /x\n',
    });
    expect(log.indexOf('only one user id can be used here')).toBeGreaterThanOrEqual(0);
    expect(log.indexOf('only one user id')).toBeLessThan(log.indexOf('] RUN'));
    await user.run(['verify', 'single']);
  });

  it.each([
    ['COPY --chown', 'COPY --chown=7:7 file /f', 'the owner 7:7 is not mapped here'],
    ['USER', 'USER 7\nRUN true', 'this user or group id is not mapped here'],
  ])('is refused another owner: %s', async (_name, lines, message) => {
    const kubefile = `FROM busybox\n${lines}\n`;
    const { status, stderr } = await tryBuild(user, 'refused', {
      kubefile,
      files: FILES,
      args: ['--dialect', 'dockerfile'],
    });
    expect(status).toBe(3);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('unpacks a base of many owners as one owner’s, and hands it on unchanged', async () => {
    await using root = await openCli();
    await root.run(['import', await debianRootfs(), 'debian', '--platform', 'linux/arm64']);
    await root.run(['save', '-o', root.scratch.path('debian.tar'), 'debian']);
    await user.run(['load', '-i', await handOver(user, root.scratch.path('debian.tar'), 'debian.tar')]);
    await build(user, 'child', { kubefile: 'FROM debian\nRUN stat -c %u /etc/shadow > /owner\n' });
    expect((await layersOf(user, 'child'))[0]).toBe((await layersOf(root, 'debian'))[0]);
    expect(await user.run(['run', 'child', 'cat', '/owner'])).toBe('0');
  });
});

/** A user namespace with all ids in which no further one may be made: the limit belongs to the namespace. */
const FORBIDDING = `
limit='echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
unshare --user --mount sh -c 'while ! grep -q . /proc/self/uid_map; do sleep 0.01; done
  exec sh -c "$@"' sh "$limit" sh "$@" & # a program started as root has the rights that were lost without a map
until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo '0 0 4294967295' > /proc/$!/gid_map && echo '0 0 4294967295' > /proc/$!/uid_map
wait $!`;

describeWith(NEEDS, 'a user who may not make a user namespace', () => {
  it('is told so, with status 3', async () => {
    await using user = await openUserCli({ subordinateIds: 65_536 });
    const { status, stderr } = await user.call(['run', 'x', 'true'], {
      through: ['sh', '-c', FORBIDDING, 'sh'],
    });
    expect(stderr).toContain('user namespaces are forbidden here');
    expect(stderr).toContain('hint: ');
    expect(status).toBe(3);
    expect(existsSync(user.root)).toBe(false);
  });
});
