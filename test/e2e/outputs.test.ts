/** `--output`: what was built as files, tars, archives, layouts and in a registry, read back by everybody's tools. */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { readXattr } from '../../src/sys/xattr.ts';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, runTool } from '../support/foreign-tools.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { busyboxRootfs } from './bases.ts';
import { tryBuild } from './projects.ts';

const KUBEFILE = `FROM busybox:$TARGETARCH
ARG TARGETARCH
COPY --chown=12:34 --chmod=4750 file /owned/file
RUN ln /owned/file /owned/hard && ln -s file /owned/soft && mkfifo /owned/fifo && echo $TARGETARCH > /machine
RUN rm /owned/soft && ln -s /nowhere /owned/soft && rm -r /sbin && mknod /owned/null c 1 3 || true
`;
const EPOCH = ['--source-date-epoch', '1700000000', '--dialect', 'dockerfile', '-q'];
const BOTH = ['--platform', 'linux/arm64,linux/amd64'];
const ONE = ['--platform', 'linux/amd64'];

let cli: Cli;

beforeAll(async () => {
  cli = await openCli();
  for (const arch of ['amd64', 'arm64'])
    await cli.run(['import', await busyboxRootfs(arch), `busybox:${arch}`, '--platform', `linux/${arch}`]);
});
afterAll(() => cli[Symbol.asyncDispose]());

const project = (platforms: readonly string[], args: readonly string[]): Parameters<typeof tryBuild>[2] => ({
  kubefile: KUBEFILE,
  files: { file: 'content\n' },
  platforms,
  args: [...EPOCH, ...args],
});

async function buildTo(platforms: readonly string[], ...outputs: readonly string[]): Promise<string> {
  const words = outputs.flatMap((output) => ['-o', output]);
  const { status, stdout, stderr } = await tryBuild(cli, 'app:1', project(platforms, words));
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

describeWith(['root', 'private-binfmt'], 'files and tars', () => {
  it('are the root file system with its owners, modes, links and times', async () => {
    const out = cli.scratch.path('files/deep/out');
    await buildTo(ONE, out);
    const file = lstatSync(`${out}/owned/file`);
    expect([file.uid, file.gid, file.mode & 0o7777, file.nlink]).toEqual([12, 34, 0o4750, 2]);
    expect(lstatSync(`${out}/owned/hard`).ino).toBe(file.ino);
    expect(lstatSync(`${out}/owned/fifo`).isFIFO()).toBe(true);
    expect(lstatSync(`${out}/owned`).mtimeMs).toBe(1_700_000_000_000);
    expect(lstatSync(`${out}/tmp`).mode & 0o7777).toBe(0o1777);
    expect(lstatSync(`${out}/owned/soft`).isSymbolicLink()).toBe(true);
    expect(existsSync(`${out}/sbin`)).toBe(false);
    expect(readdirSync(cli.scratch.path('files/deep'))).toEqual(['out']);
    expect(lstatSync(out).mode & 0o777).toBe(0o755);
  });

  it('have a folder for each platform where there are several, and replace what is there file by file', async () => {
    const out = cli.scratch.path('several');
    await mkdir(`${out}/linux_arm64/owned`, { recursive: true });
    await writeFile(`${out}/linux_arm64/machine`, 'old\n');
    await writeFile(`${out}/linux_arm64/owned/mine`, 'mine\n');
    await buildTo(BOTH, `type=local,dest=${out}`);
    expect(readdirSync(out).sort()).toEqual(['linux_amd64', 'linux_arm64']);
    expect(readFileSync(`${out}/linux_arm64/machine`, 'utf8')).toBe('arm64\n');
    expect(readFileSync(`${out}/linux_amd64/machine`, 'utf8')).toBe('amd64\n');
    expect(readFileSync(`${out}/linux_arm64/owned/mine`, 'utf8')).toBe('mine\n');
    expect(lstatSync(`${out}/linux_arm64/owned`).mtimeMs).toBe(1_700_000_000_000);
  });

  it('do not come where a directory and a file have one name, not even in part', async () => {
    const out = cli.scratch.path('conflict');
    await mkdir(`${out}/machine`, { recursive: true });
    const { status, stdout, stderr } = await tryBuild(cli, 'never:1', project(ONE, ['-o', out]));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(`${out}/machine is in the way`);
    expect(readdirSync(out)).toEqual(['machine']);
    expect(await cli.run(['images'])).not.toContain('never');
  });

  it('are the same from a tar on standard output as from a directory', async () => {
    const [tar, out] = [cli.scratch.path('x.tar'), cli.scratch.path('same')];
    const program = ['sh', '-c', 'exec "$@" > "$0"', tar];
    const { status, stderr } = await tryBuild(cli, 'app:1', {
      ...project(BOTH, ['-o', '-']),
      through: program,
    });
    expect(status, stderr).toBe(0);
    await buildTo(BOTH, out);
    await mkdir(cli.scratch.path('unpacked'));
    await runTool('tar', ['-xpf', tar, '-C', cli.scratch.path('unpacked'), '--xattrs', '--xattrs-include=*']);
    const list = `cd "$0" && find . -mindepth 1 -printf '%p %y %m %U:%G %n %s %T@ %l\\n' | sed 's/ d \\(.*\\) [0-9]* [0-9]* \\([0-9.]*\\) $/ d \\1 \\2/' | sort`;
    const [one, other] = [
      await runTool('sh', ['-c', list, cli.scratch.path('unpacked')]),
      await runTool('sh', ['-c', list, out]),
    ];
    expect(one).toBe(other);
    expect(one.split('\n').length).toBeGreaterThan(400);
    const again = cli.scratch.path('again.tar');
    await buildTo(BOTH, `type=tar,dest=${again}`);
    expect(readFileSync(again).equals(readFileSync(tar))).toBe(true);
  });

  it('have capabilities and devices as root', async () => {
    const out = cli.scratch.path('special');
    const image = cli.scratch.path('special.tar');
    const made = cli.scratch.path('made');
    await mkdir(made);
    const script =
      'cd "$0" && mknod null c 1 3 && cp /bin/true ping && setcap cap_net_raw+ep ping && tar --xattrs --xattrs-include=* -cf "$1" .';
    await runTool('sh', ['-c', script, made, image]);
    await cli.run(['import', image, 'special', '--platform', 'linux/amd64']);
    const { status, stderr } = await tryBuild(cli, 'x', {
      kubefile: 'FROM special\n',
      platforms: ONE,
      args: ['-o', out],
    });
    expect(status, stderr).toBe(0);
    const device = lstatSync(`${out}/null`);
    expect([device.isCharacterDevice(), device.rdev]).toEqual([true, 0x103]);
    expect(readXattr(`${out}/ping`, 'security.capability')?.length).toBe(20);
  });
});

describeWith(['root', 'private-binfmt', 'command:skopeo', 'command:docker-registry'], 'images', () => {
  it('go to archives, layouts and registries at once, and are the same everywhere', async () => {
    await using tools = await openForeignTools();
    await using registry = await DockerRegistry.start(cli.scratch.path('.'));
    const [archive, layout] = [cli.scratch.path('image.tar'), cli.scratch.path('layout')];
    const name = `${registry.host}/team/app:2`;
    const digest = await buildTo(
      BOTH,
      `type=oci,dest=${archive}`,
      `type=oci,tar=false,dest=${layout}`,
      `type=registry,name=${name}`,
      `type=registry,name=${name}-docker,oci-mediatypes=false`,
      'type=image,name=more:1,annotation.org.test=yes,annotation-index.org.test=index',
    );
    const inspected = async (image: string, ...args: string[]): Promise<string> =>
      digestOf(await tools.skopeo(['inspect', '--raw', ...args, image]));
    expect(await inspected(`oci:${layout}:1`)).toBe(digest);
    expect(await inspected(`oci-archive:${archive}:1`)).toBe(digest);
    expect(await inspected(`docker://${name}`, '--tls-verify=false')).toBe(digest);
    const others = await tools.skopeo(['inspect', '--raw', `docker://${name}-docker`, '--tls-verify=false']);
    expect(others).toContain('"application/vnd.docker.distribution.manifest.list.v2+json"');
    const config = ['inspect', '--config', '--raw', '--tls-verify=false'];
    expect(await tools.skopeo([...config, `docker://${name}-docker`])).toBe(
      await tools.skopeo([...config, `docker://${name}`]),
    );
    expect(await cli.run(['images', '--json'])).toContain('docker.io/library/more:1');
    const image = JSON.parse(await cli.run(['inspect', 'more:1'])) as {
      digest: string;
      index: { annotations: object };
      platforms: { manifest: { annotations: object } }[];
    };
    expect(image.digest).toBe(digest);
    expect(image.index.annotations).toEqual({ 'org.test': 'index' });
    for (const { manifest } of image.platforms)
      expect(manifest.annotations).toMatchObject({ 'org.test': 'yes' });
    const listed = await readdir(cli.scratch.path('.'));
    expect(listed.filter((entry) => entry.startsWith('.'))).toEqual([]);
  });

  it('for docker hold one platform', async () => {
    await using tools = await openForeignTools();
    const archive = cli.scratch.path('docker.tar');
    await buildTo(ONE, `type=docker,dest=${archive}`);
    const { Architecture } = JSON.parse(
      await tools.skopeo(['inspect', `docker-archive:${archive}:app:1`]),
    ) as { Architecture: string };
    expect(Architecture).toBe('amd64');
  });

  it('are not tagged when an output cannot be written, and not at all by cacheonly', async () => {
    const refused = await tryBuild(
      cli,
      'never:2',
      project(ONE, ['-o', 'type=registry,name=127.0.0.1:1/a:1']),
    );
    expect({ status: refused.status, stdout: refused.stdout }).toEqual({ status: 1, stdout: '' });
    const cached = await tryBuild(cli, 'never:3', project(ONE, ['-o', 'type=cacheonly', '--label', 'a=b']));
    expect(cached.stdout).toMatch(/^sha256:/);
    expect(await cli.run(['images'])).not.toContain('never');
  });
});

describeWith(['root', 'private-binfmt', 'command:newuidmap', 'command:setpriv'], 'an ordinary user', () => {
  it('gets files of their own, without what only root may have', async () => {
    await using user = await openUserCli({ subordinateIds: 65_536 });
    const rootfs = user.scratch.path('busybox.tar');
    await copyFile(await busyboxRootfs('amd64'), rootfs);
    await chmod(rootfs, 0o644);
    await user.run(['import', rootfs, 'busybox:amd64', '--platform', 'linux/amd64']);
    const kubefile =
      'FROM busybox:amd64\nCOPY --chown=12:34 --chmod=4750 file /file\nCOPY --from=devices null /null\n';
    const context = user.scratch.path('context');
    await mkdir(context);
    await writeFile(`${context}/Dockerfile`, kubefile);
    await writeFile(`${context}/file`, 'content\n');
    const devices = user.scratch.path('devices.tar');
    await mkdir(user.scratch.path('devices'));
    await runTool('sh', [
      '-c',
      'mknod "$0/null" c 1 3 && tar -cf "$1" -C "$0" .',
      user.scratch.path('devices'),
      devices,
    ]);
    await chmod(devices, 0o644);
    await user.run(['import', devices, 'devices', '--platform', 'linux/amd64']);
    const { status, stderr } = await user.call(['build', '--pull', 'never', '-t', 'x', '-o', 'out', context]);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('only root can make device nodes: /null left out of');
    const file = lstatSync(`${user.home}/out/file`);
    const home = lstatSync(user.home);
    expect([file.uid, file.gid, file.mode & 0o7777]).toEqual([home.uid, home.gid, 0o750]);
    expect(existsSync(`${user.home}/out/null`)).toBe(false);
    expect(lstatSync(`${user.home}/out`).uid).toBe(home.uid);
  });
});
