/**
 * Builds where there is nothing: a kit made here is unpacked on hosts without Node, without a C library of ours (one
 * has none at all) and without a network, and what its Kubefile says is built and run there with nothing else to do.
 */
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBareHost, type BareHost } from '../support/bare-host.ts';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { busyboxRootfs, debianHost } from './bases.ts';
import { debianRootfs } from './debian-rootfs.ts';
import { writeFiles } from './projects.ts';

const CLUSTER = join(import.meta.dirname, '../../fixtures/clusters/air-gapped');

let cli: Cli;

beforeAll(async () => {
  cli = await openCli();
});
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
});

const listOf = async (archive: string): Promise<string[]> =>
  (await runTool('tar', ['--list', '--file', archive])).trimEnd().split('\n');

/** Makes a kit of the context and moves it to the host: from here on nothing of this machine is used. */
async function moveKit(host: BareHost, context: string, args: readonly string[]): Promise<void> {
  const archive = cli.scratch.path('kit.tar');
  await cli.run(['kit', '--emulate', 'aarch64', ...args, '-o', archive, context]);
  await runTool('mv', [archive, join(host.root, 'root/kit.tar')]);
  await cp(context, join(host.root, 'root/context'), { recursive: true });
}

const DEBIAN_KUBEFILE = `FROM --platform=$BUILDPLATFORM tools AS made
RUN uname -m > /made-on
FROM debian
COPY --from=REMOTE /bin/busybox /opt/
COPY --from=made /made-on /srv/
RUN dpkg --audit && dpkg --print-architecture > /srv/architecture && /opt/busybox uname -m > /srv/machine
CMD ["sh", "-c", "cat /srv/made-on /srv/architecture /srv/machine"]
`;

/** Prints `lo` and `down`: there is no other interface, and no Node. */
const NETWORK = 'ls /sys/class/net; cat /sys/class/net/lo/operstate; ! command -v node';

describeWith(['root'], 'a package', () => {
  const pack = (
    name: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): Promise<string> => cli.run(['package', '-o', cli.scratch.path(name), ...args], { env });

  it('is the same bytes when made again, has one folder, and the licences of what is in it', async () => {
    const first = await pack('one.tar');
    const second = await pack('two.tar');
    expect(second.split('  ')[0]).toBe(first.split('  ')[0]);
    const [one, two] = [
      await readFile(cli.scratch.path('one.tar')),
      await readFile(cli.scratch.path('two.tar')),
    ];
    expect(one.equals(two)).toBe(true);
    const paths = await listOf(cli.scratch.path('one.tar'));
    expect(paths).toEqual([...paths].sort());
    const [folder] = paths;
    expect(folder).toMatch(/^arch-build-\d+\.\d+\.\d+-linux-x64\/$/);
    const names = paths.map((path) => path.slice(folder!.length));
    expect(paths.every((path) => path.startsWith(folder!))).toBe(true);
    for (const name of [
      'arch-build',
      'lib/node',
      'lib/libc.so.6',
      'dist/native/sandbox',
      'dist/bundled-licences.txt',
      'licences/Node.js.txt',
      'licences/GNU-C-Library.txt',
      'licences/GCC-runtime-libraries.txt',
      'licences/GPL-2.0.txt',
    ])
      expect(names).toContain(name);
    expect(names.filter((name) => /^emulators\/downloads\/.*[^/]$/.test(name))).toEqual([
      expect.stringMatching(/^emulators\/downloads\/[\d.]+\/qemu-aarch64$/),
    ]);
    expect(names.filter((name) => /^(src|test|kit)\//.test(name))).toEqual([]);
    expect(
      names.filter((name) => name.endsWith('.node')).filter((name) => /musl|darwin|win32/.test(name)),
    ).toEqual([]);
    const dates = await runTool('tar', ['-tvf', cli.scratch.path('one.tar'), '--utc', '--full-time']);
    expect(new Set(dates.match(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g))).toEqual(new Set(['1980-01-01 00:00:00']));
  });

  it('is dated by SOURCE_DATE_EPOCH, and compressed as its name says', async () => {
    await pack('dated.tar.gz', ['--emulators', 'none'], { SOURCE_DATE_EPOCH: '1700000000' });
    const dates = await runTool('tar', ['-tvzf', cli.scratch.path('dated.tar.gz'), '--utc', '--full-time']);
    expect(new Set(dates.match(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g))).toEqual(new Set(['2023-11-14 22:13:20']));
    expect(dates).not.toContain('emulators/downloads');
    expect(await cli.call(['package', '-o', cli.scratch.path('x.zip')])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('.tar.xz, .tar.gz, .tar') as string,
    });
  });

  it('takes no Node that needs libraries of its distribution', async () => {
    const { status, stderr } = await cli.call([
      'package',
      '--node',
      '/bin/bash',
      '-o',
      cli.scratch.path('no.tar'),
    ]);
    expect(status).toBe(3);
    expect(stderr).toMatch(/bash needs libtinfo\S*, which official builds do not[^]*hint: .*--node/);
  });
});

describeWith(['root', 'private-binfmt', 'command:docker-registry', 'command:debootstrap'], 'a kit', () => {
  beforeAll(async () => {
    await cli.run(['import', await debianRootfs(), 'debian', '--platform', 'linux/arm64']);
    await cli.run(['import', await busyboxRootfs('amd64'), 'tools', '--platform', 'linux/amd64']);
    await cli.run(['import', await busyboxRootfs('arm64'), 'busybox', '--platform', 'linux/arm64']);
  });

  it('builds the Debian example on a bare Debian, with images of the store and of a registry', async () => {
    const host = await openBareHost(await debianHost(), cli.scratch.path('debian'));
    const context = cli.scratch.path('context');
    {
      await using registry = await DockerRegistry.start(cli.scratch.directory);
      const remote = `${registry.host}/team/base:1`;
      await cli.run(['push', 'busybox', remote]);
      await writeFiles(context, { Kubefile: DEBIAN_KUBEFILE.replace('REMOTE', remote) });
      await moveKit(host, context, []);
    }
    const script = `${NETWORK}
cd /root
tar -xf kit.tar
rm kit.tar
cd context
kit=/root/arch-build-kit/arch-build
$kit doctor --platform linux/arm64 >/dev/null
$kit --offline --emulate aarch64 -f Kubefile -t x .
$kit run --offline x`;
    const lines = (await host.run(script)).trimEnd().split('\n');
    const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string;
    expect(lines).toEqual(['lo', 'down', digest, 'x86_64', 'arm64', 'aarch64']);
    await rm(host.root, { recursive: true });
  });

  it('builds a cluster image where there is only busybox, from a path with spaces, through a link', async () => {
    await cli.run(['tag', 'busybox', 'registry.test/kube-base:v1']);
    await cli.run(['tag', 'busybox', 'registry.test/pause:3.9']);
    const host = await openBareHost(await busyboxRootfs('amd64'), cli.scratch.path('busybox'));
    await moveKit(host, CLUSTER, ['--image', 'busybox']);
    expect(await host.run(`${NETWORK}; ls /lib /lib64 2>/dev/null || true`)).toBe('lo\ndown\n');
    const script = `mkdir -p "/opt/two words"
cd "/opt/two words"
tar -xf /root/kit.tar
rm /root/kit.tar
ln -s "../../opt/two words/arch-build-kit/arch-build" /usr/bin/first
ln -s first /usr/bin/arch-build
cd /root/context
arch-build doctor --platform linux/arm64 >/dev/null
sh -c 'arch-build --offline --emulate aarch64 -f Kubefile -t cluster .'
cd /
arch-build run cluster
arch-build pull --offline --platform linux/arm64 registry.test/pause:3.9
arch-build images | grep -c '^cluster\\|^registry.test/pause'
arch-build run -t cluster tty`;
    const [digest, ...lines] = (await host.run(script)).trimEnd().split('\n');
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(lines.slice(0, 6)).toEqual([
      'aarch64',
      'pause: registry.test/pause:3.9',
      'charts/web:',
      'Chart.yaml',
      'templates',
      '',
    ]);
    expect(lines.slice(6)).toEqual([
      'manifests:',
      'imageList',
      'pause.yaml',
      expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      '2',
      expect.stringMatching(/^\/dev\//),
    ]);
    const lock = JSON.parse(
      await readFile(join(host.root, 'opt/two words/arch-build-kit/kit/lock.json'), 'utf8'),
    ) as { images: Record<string, Record<string, { root: { digest: string }; manifest: string }>> };
    expect(Object.keys(lock.images)).toEqual([
      'docker.io/library/busybox:latest',
      'registry.test/kube-base:v1',
      'registry.test/pause:3.9',
    ]);
    expect(lock.images['registry.test/pause:3.9']!['linux/arm64']!.root.digest).toBe(lines.at(-3));

    await writeFiles(join(host.root, 'root/other'), {
      Kubefile:
        'FROM registry.test/kube-base:v1\nCOPY --from=registry.test/missing:1 /a /a\nADD http://files.test/f /f\n',
    });
    const refused = await host.run(
      'arch-build --offline --emulate aarch64,s390x /root/other 2>&1 && exit 1; echo $?',
    );
    expect(refused).toMatch(/^error\[OFFLINE\] this build needs the network/m);
    expect(refused).toContain(
      'image registry.test/missing:1 for linux/arm64 (COPY --from, /root/other/Kubefile:2:1)',
    );
    expect(refused).toContain(
      'image registry.test/kube-base:v1 for linux/s390x (FROM, /root/other/Kubefile:1:1)',
    );
    expect(refused).toContain('http://files.test/f (ADD, /root/other/Kubefile:3:1)');
    expect(refused).not.toContain('kube-base:v1 for linux/arm64');
    expect(refused).toMatch(/\n1\n$/);
    await rm(host.root, { recursive: true });
  });

  it('packs itself: the same kit comes out of a kit', async () => {
    const context = cli.scratch.path('small');
    await writeFiles(context, { Kubefile: 'FROM busybox\nRUN true\n' });
    const [first, unpacked, second] = ['first.tar', 'unpacked', 'second.tar'].map((name) =>
      cli.scratch.path(name),
    ) as [string, string, string];
    await cli.run(['kit', '--emulate', 'aarch64', '-o', first, context]);
    await mkdir(unpacked);
    await runTool('tar', ['-xf', first, '-C', unpacked]);
    const env = {
      ARCH_BUILD_ROOT: cli.scratch.path('other-store'),
      ARCH_BUILD_EMULATORS: '',
      TMPDIR: cli.temporary,
    };
    const words = ['kit', '--offline', '--emulate', 'aarch64', '-o', second, context];
    await runTool(join(unpacked, 'arch-build-kit/arch-build'), words, { env });
    expect((await readFile(first)).equals(await readFile(second))).toBe(true);
  });

  it('says at once what is nowhere to be had', async () => {
    const context = cli.scratch.path('lacking');
    await writeFiles(context, { Kubefile: 'FROM registry.test/none:1\n' });
    const args = ['kit', '--offline', '--emulate', 'aarch64', '-o', cli.scratch.path('no.tar'), context];
    const { status, stderr } = await cli.call(args);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /error\[OFFLINE\] \S*Kubefile:1:1: registry.test\/none:1 for linux\/arm64 needs the network/,
    );
  });
});
