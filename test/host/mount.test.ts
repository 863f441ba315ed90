/**
 * `mount` and `umount`: trees of images on directories, and the registry of all platforms. Every sandbox that runs at the
 * same time has a copy of such a mount for as long as it lives.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { callProgram, openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { keepArchitecture } from '../support/registry-tree.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { build } from '../e2e/projects.ts';

const PLATFORMS = ['--platform', 'linux/amd64,linux/arm64'];
const KUBEFILE = 'FROM scratch\nCOPY ${ARCH}/tool bin\n';
const FILES = { 'amd64/tool': 'for amd64\n', 'arm64/tool': 'for arm64\n' };

/** A command line with an image of two platforms, and two empty directories `a` and `b`. */
async function openTwoPlatforms(): Promise<Cli> {
  const cli = await openCli();
  await build(cli, 'both:1', { kubefile: KUBEFILE, files: FILES, platforms: PLATFORMS });
  for (const name of ['a', 'b']) mkdirSync(cli.scratch.path(name));
  return cli;
}

const listed = async (cli: Cli): Promise<object[]> =>
  JSON.parse(await cli.run(['mount', '--json'])) as object[];

const REFUSED: readonly (readonly [string[], number, string])[] = [
  [['mount', 'both:1', '/proc'], 2, 'is not empty'],
  [['mount', 'both:1', '/nowhere'], 2, 'does not exist'],
  [['mount', 'both:1'], 2, 'mount needs a directory'],
  [['mount', 'none:1', '.'], 1, 'no image "none:1" in the store'],
  [['umount', '/proc'], 2, 'is a mount (proc), but not of an image of this store'],
  [['umount'], 2, 'umount needs a directory'],
];

describeWith(['root', 'overlay'], 'an image on a directory', () => {
  it('is there once, however many commands want it there at the same time', async () => {
    await using cli = await openTwoPlatforms();
    const [a, held] = [cli.scratch.path('a'), cli.scratch.path('held')];
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => cli.call(['mount', 'both:1', a])));
    expect(outcomes.map(({ status }) => status).sort()).toEqual([0, 2, 2, 2]);
    expect(await listed(cli)).toHaveLength(1);
    await cli.run(['umount', a]);
    expect(readdirSync(a)).toEqual([]);
    const whileHeld = ['flock', a, 'sh', '-c', '"$@" 2>"$0"; true', held];
    await cli.call(['mount', 'both:1', a], { through: whileHeld });
    expect(readFileSync(held, 'utf8')).toContain(`another command is about to mount on ${a}`);
    expect(await listed(cli)).toEqual([]);
  });

  it('is the tree of the platform, read-only, until it is unmounted', async () => {
    await using cli = await openTwoPlatforms();
    const [a, b] = [cli.scratch.path('a'), cli.scratch.path('b')];
    expect(await cli.run(['mount', 'both:1', a])).toBe(a);
    expect(await cli.run(['mount', 'both:1', b, '--platform', 'linux/arm64'])).toBe(b);
    expect(readFileSync(join(a, 'bin/tool'), 'utf8')).toBe('for amd64\n');
    expect(readFileSync(join(b, 'bin/tool'), 'utf8')).toBe('for arm64\n');
    expect(() => writeFileSync(join(b, 'new'), '')).toThrow('EROFS');
    const shown = { image: 'docker.io/library/both:1', kind: 'rootfs', writable: false, here: true };
    const mounts = await listed(cli);
    expect(mounts).toHaveLength(2);
    expect(mounts).toContainEqual(
      expect.objectContaining({ ...shown, platforms: ['linux/amd64'], directory: a }),
    );
    expect(mounts).toContainEqual(
      expect.objectContaining({ ...shown, platforms: ['linux/arm64'], directory: b }),
    );
    expect((await cli.call(['mount', 'both:1', a])).stderr).toContain('has an image mounted on it already');
    expect(await cli.run(['umount', a, b])).toBe(`${a}\n${b}`);
    expect([readdirSync(a), readdirSync(b), await listed(cli)]).toEqual([[], [], []]);
    const again = await cli.call(['umount', a]);
    expect([again.status, again.stdout]).toEqual([0, '']);
  });

  it('keeps what it shows from being pruned, even without its name', async () => {
    await using cli = await openTwoPlatforms();
    const a = cli.scratch.path('a');
    await cli.run(['mount', 'both:1', a]);
    await cli.run(['rmi', 'both:1']);
    await cli.run(['prune']);
    expect(readFileSync(join(a, 'bin/tool'), 'utf8')).toBe('for amd64\n');
    expect(readdirSync(join(cli.root, 'snapshots'))).toHaveLength(1);
    await cli.run(['umount', '--all']);
    await cli.run(['prune']);
    expect(readdirSync(join(cli.root, 'snapshots'))).toEqual([]);
  });

  it('can be written to, and forgets what was written', async () => {
    await using cli = await openTwoPlatforms();
    const a = cli.scratch.path('a');
    await cli.run(['mount', '--rw', 'both:1', a]);
    writeFileSync(join(a, 'new'), 'x');
    rmSync(join(a, 'bin/tool'));
    await cli.run(['umount', a]);
    await cli.run(['mount', '--rw', 'both:1', a]);
    expect([existsSync(join(a, 'new')), existsSync(join(a, 'bin/tool'))]).toEqual([false, true]);
    await cli.run(['umount', a]);
  });

  it('unmounted by hand leaves nothing behind', async () => {
    await using cli = await openTwoPlatforms();
    const a = cli.scratch.path('a');
    await cli.run(['mount', 'both:1', a]);
    const [id = ''] = readdirSync(join(cli.root, 'mounts'));
    await runTool('umount', [a]);
    expect(statSync(join(cli.root, 'mounts', id, 'record.json')).isFile()).toBe(true);
    expect(await listed(cli)).toEqual([]);
    expect(readdirSync(join(cli.root, 'mounts'))).toEqual([]);
  });

  it('is refused where it cannot be, and told why', async () => {
    await using cli = await openTwoPlatforms();
    for (const [args, status, message] of REFUSED) {
      const outcome = await cli.call(args);
      expect([outcome.status, outcome.stderr]).toEqual([status, expect.stringContaining(message)]);
    }
  });

  it('is refused to an ordinary user, with what would do instead', async () => {
    const through = ['setpriv', '--reuid', '65534', '--clear-groups'];
    const env = { ARCH_BUILD_ROOT: '/nonexistent/store' };
    const { status, stderr } = await callProgram(['mount', 'x', '/mnt'], { through, env });
    expect([status, stderr]).toEqual([3, expect.stringContaining('arch-build run x')]);
  });
});

const ACCEPT =
  'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, ' +
  'application/vnd.docker.distribution.manifest.v2+json';

interface Answer {
  readonly status: number;
  readonly body: { readonly manifests?: { digest: string }[]; readonly layers?: { digest: string }[] };
}

async function ask(host: string, path: string): Promise<Answer> {
  const response = await fetch(`http://${host}/v2/${path}`, { headers: { accept: ACCEPT } });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** A cluster image `cluster:1` whose platforms hold the platforms of `both:1` in their registries. */
async function buildCluster(cli: Cli): Promise<void> {
  const context = cli.scratch.path('cluster');
  await using registry = await DockerRegistry.start(cli.scratch.path('origin'));
  await cli.run(['push', '--insecure', registry.host, 'both:1', `${registry.host}/team/both:1`]);
  for (const architecture of ['amd64', 'arm64'])
    keepArchitecture(registry.storage, join(context, architecture, 'registry'), architecture);
  const kubefile = 'FROM scratch\nCOPY ${ARCH}/registry .\n';
  await build(cli, 'cluster:1', { kubefile, folder: 'cluster', platforms: PLATFORMS });
}

describeWith(['root', 'overlay', 'command:docker-registry'], 'the registry of a cluster image', () => {
  it('answers each tag for every platform, from the storages of them all', async () => {
    await using cli = await openTwoPlatforms();
    mkdirSync(cli.scratch.path('union/registry'), { recursive: true });
    await buildCluster(cli);
    const target = cli.scratch.path('union/registry');
    await cli.run(['mount', '--registry', 'cluster:1', target]);
    {
      await using registry = await DockerRegistry.start(cli.scratch.path('union'), { readOnly: true });
      const { status, body } = await ask(registry.host, 'team/both/manifests/1');
      expect([status, body.manifests?.length]).toEqual([200, 2]);
      for (const { digest } of body.manifests ?? []) {
        const manifest = await ask(registry.host, `team/both/manifests/${digest}`);
        const [layer] = manifest.body.layers ?? [];
        const blob = await fetch(`http://${registry.host}/v2/team/both/blobs/${layer?.digest ?? ''}`);
        expect([manifest.status, blob.status, (await blob.arrayBuffer()).byteLength > 0]).toEqual([
          200,
          200,
          true,
        ]);
      }
    }
    await cli.run(['umount', target]);
  });

  it('is refused when one tag stands for two digests, which are named', async () => {
    await using cli = await openTwoPlatforms();
    await buildCluster(cli);
    const link = 'registry/docker/registry/v2/repositories/team/both/_manifests/tags/1/current/link';
    const other = `sha256:${'0'.repeat(64)}`;
    writeFileSync(cli.scratch.path('cluster/arm64', link), other);
    const kubefile = 'FROM scratch\nCOPY ${ARCH}/registry .\n';
    await build(cli, 'cluster:2', { kubefile, folder: 'cluster', platforms: PLATFORMS });
    const { status, stderr } = await cli.call(['mount', '--registry', 'cluster:2', cli.scratch.path('a')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`team/both:1 is sha256:[0-9a-f]{64} for linux/amd64, but ${other} for linux/arm64`),
    );
  });
});
