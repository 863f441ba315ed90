/** A cluster image with everything it needs: gathered from registries and from archives, served by a stock registry. */
import { copyFile, cp, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, runTool, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { openKubeCluster, PLATFORMS, type KubeCluster } from './kube-cluster.ts';

const [ARM64 = '', AMD64 = ''] = PLATFORMS;
const TOOLS = ['command:docker-registry', 'command:skopeo', 'command:htpasswd'] as const;

describeWith(['root', 'overlay', ...TOOLS], 'a cluster image', () => {
  let kube: KubeCluster;
  let tools: ForeignTools;
  let store: Cli;
  let digest: string;
  const lock = (): string => store.scratch.path('images.json');
  const words = (...more: string[]): string[] => [
    'build',
    '-t',
    'cluster:1',
    '--platform',
    PLATFORMS.join(','),
    ...more,
  ];
  const build = (...more: string[]): string[] => words('--source-date-epoch', '1', ...more, kube.context);

  beforeAll(async () => {
    kube = await openKubeCluster();
    tools = await openForeignTools();
    store = await openCli();
    digest = await store.run(build('--image-lock', lock()));
  });
  afterAll(async () => {
    for (const each of [store, tools, kube]) await each[Symbol.asyncDispose]();
  });

  it('has every image that lists, YAML, charts and applications name, with their places', async () => {
    const listed = JSON.parse(await store.run(['gather', '--list', '--json', kube.context])) as {
      images: { name: string; places: { file: string; line: number }[] }[];
    };
    expect(listed.images.map(({ name }) => name).sort()).toEqual([...kube.images].sort());
    const placesOf = (part: string): object | undefined =>
      listed.images.find(({ name }) => name.includes(part))?.places;
    expect(placesOf('/library/pause:3.9')).toEqual([
      { file: 'manifests/imageList', line: 5 },
      { file: 'manifests/addons.yaml', line: 6 },
    ]);
    expect(placesOf('/web/server:2.0')).toEqual([{ file: 'charts/web/templates/deployment.yaml', line: 7 }]);
    expect(placesOf('/apps/monitor:7')).toMatchObject([
      { file: expect.stringMatching(/kustomization/) as unknown },
    ]);
    expect(placesOf('/private/tool:1')).toMatchObject([
      { file: expect.stringMatching(/WithAuth/) as unknown, line: 4 },
    ]);
  });

  it('says in its manifest which images it has, as sealer does', async () => {
    const { annotations } = await manifestOf(store, ARM64);
    const images = JSON.parse(annotations['sealer.image.container.images'] ?? '[]') as unknown[];
    const platform = { architecture: 'arm64', os: 'linux' };
    expect(images).toHaveLength(kube.images.length);
    for (const image of kube.images) expect(images).toContainEqual({ image, platform });
  });

  it('serves each platform with its own, alone and laid over each other, from a stock registry', async () => {
    const folders = { [ARM64]: store.scratch.path('arm64'), [AMD64]: store.scratch.path('amd64') };
    for (const [platform, folder] of Object.entries(folders)) {
      const rootfs = await unpacked(store, platform, folder);
      expect(await readFile(`${rootfs}/etc/admin.conf`, 'utf8')).toContain('https://apiserver.cluster');
      const [own, other] = platform === ARM64 ? PLATFORMS : [...PLATFORMS].reverse();
      expect(await served(rootfs, own ?? '')).toEqual(answers(own?.slice(6) ?? ''));
      expect(await served(rootfs, other ?? '')).toEqual(answers('none'));
    }
    const union = store.scratch.path('union');
    await mkdir(`${union}/registry`, { recursive: true });
    await store.run(['mount', '--registry', 'cluster:1', `${union}/registry`]);
    for (const platform of PLATFORMS)
      expect(await served(union, platform)).toEqual(answers(platform.slice(6)));
    await store.run(['umount', `${union}/registry`]);
  });

  /** As the registry of the cluster calls them. */
  const repositories = (): string[] =>
    kube.images.map((name) => name.slice(name.indexOf('/') + 1).replace(/:[^/]*@/, '@'));
  const answers = (architecture: string): string[] => repositories().map((name) => `${name} ${architecture}`);

  /** What a stock registry over `registry/` in the folder gives skopeo for a platform. */
  async function served(folder: string, platform: string): Promise<string[]> {
    const [os = '', arch = ''] = platform.split('/');
    await using registry = await DockerRegistry.start(folder, { readOnly: true });
    const pull = async (image: string): Promise<string> => {
      const into = tools.scratch.path(`pulled-${arch}-${image.replace(/\W/g, '-')}`);
      const choice = ['--override-os', os, '--override-arch', arch];
      const words = [...choice, 'copy', '-q', '--src-tls-verify=false', `docker://${registry.host}/${image}`];
      try {
        await tools.skopeo([...words, `dir:${into}`]);
      } catch (error) {
        expect(String(error)).toMatch(/manifest unknown|not found|no image found/i);
        return `${image} none`;
      }
      const manifest = JSON.parse(await readFile(`${into}/manifest.json`, 'utf8')) as {
        config: { digest: string };
      };
      const config = await readFile(`${into}/${manifest.config.digest.slice(7)}`, 'utf8');
      return `${image} ${(JSON.parse(config) as { architecture: string }).architecture}`;
    };
    return await Promise.all(repositories().map(pull));
  }

  it('is the same image again, without a network, with the lock alone', async () => {
    expect(await store.run(build('--offline', '--locked', '--image-lock', lock()))).toBe(digest);
  });

  it('has the same registry from archives, without a network, with other times, modes and order', async () => {
    const archive = kube.cli.scratch.path('images.tar');
    const places = kube.images.map((name) => `docker://${name.replace(/@.*/, '')}`);
    await kube.cli.run(['save', '-o', archive, ...places], { env: kube.loggedIn });
    await using other = await openCli();
    const context = other.scratch.path('context');
    await copyBackwards(kube.context, context);
    const through = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    await other.run(words('--offline', '--image-source', archive, context), { through });
    for (const platform of PLATFORMS) {
      const [one, another] = await Promise.all([store, other].map(async (cli) => manifestOf(cli, platform)));
      expect(another?.layers.at(-1)).toEqual(one?.layers.at(-1));
      expect(another?.layers[0]).not.toEqual(one?.layers[0]); // the times of the files are in it
    }
  });

  it('takes a private image with the password of its list, which is in no layer', async () => {
    const own = store.scratch.path('with-private');
    await mkdir(own);
    await writeFile(`${own}/Kubefile`, '# syntax=kubefile/v2\nFROM scratch\nCOPY . .\n');
    const list = await readFile(`${kube.context}/imageListWithAuth.yaml`, 'utf8');
    await writeFile(`${own}/imageListWithAuth.yaml`, list);
    const platform = ['--platform', ARM64];
    await store.run(['build', '-t', 'with-private', ...platform, own]);
    const archive = store.scratch.path('private.tar');
    await store.run(['save', '--format', 'docker', ...platform, '-o', archive, 'with-private']);
    const search =
      'mkdir "$2" && tar xf "$1" -C "$2" && grep -rlaF "password: secret" "$2" || true; grep -rlaF "private/tool" "$2" | wc -l';
    const found = await runTool('sh', ['-c', search, 'sh', archive, store.scratch.path('grep')]);
    expect(Number(found.trim())).toBeGreaterThan(0); // no name of a file before it
    await writeFile(`${own}/imageListWithAuth.yaml`, list.replace('secret', 'wrong'));
    const again = ['build', '--no-cache', '--pull', 'always', ...platform, own];
    const { status, stderr } = await store.call(again);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/private\/tool:1: .*401.*\[.*imageListWithAuth\.yaml:4\]/) as unknown,
    });
    expect(stderr).not.toContain('wrong');
  });

  it('is refused with all that is wrong at once', async () => {
    const { origin } = kube;
    await kube.publish(`${origin.host}/only/amd64:1`, [AMD64]);
    const bad = kube.cli.scratch.path('bad');
    await cp(kube.context, bad, { recursive: true });
    const nothing = `sha256:${'0'.repeat(64)}`;
    await writeFile(
      `${bad}/manifests/imageList`,
      `${origin.host}/only/amd64:1\n${origin.host}/no/such:1\n${origin.host}/kube/etcd@${nothing}\n127.0.0.1:1/x:1\nBAD\n`,
    );
    await writeFile(`${bad}/charts/web/templates/bad.yaml`, '\n{{ .Values.no.such }}\n');
    await writeFile(`${bad}/manifests/bomb.yaml`, bomb());
    await using other = await openCli();
    const { status, stderr } = await other.call([
      'build',
      '-t',
      'bad',
      '--platform',
      PLATFORMS.join(','),
      bad,
    ]);
    expect(status).toBe(1);
    for (const line of [
      /only\/amd64:1: .*not available for linux\/arm64.*\[manifests\/imageList:1\]/,
      /no\/such:1: .*has no image no\/such:1.*\[manifests\/imageList:2\]/,
      /kube\/etcd@sha256:0+: .*has no image/,
      /127\.0\.0\.1:1\/x:1: cannot talk to 127\.0\.0\.1:1/,
      /manifests\/imageList:5: not an image reference: "BAD"/,
      /charts\/web\/templates\/bad\.yaml:2: nil pointer evaluating interface \{\}\.such/,
      /manifests\/bomb\.yaml: no YAML: its aliases expand to too much/,
    ])
      expect(stderr).toMatch(line);
    expect(await other.run(['images', '--json'])).toBe('[]');
  });
});

interface Manifest {
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly digest: string }[];
}

const manifestOf = async (cli: Cli, platform: string): Promise<Manifest> =>
  JSON.parse(
    await cli.run(['inspect', '--format', 'manifest', '--platform', platform, 'cluster:1']),
  ) as Manifest;

/** `registry/` and `etc/` of one platform of the image, in a directory. */
async function unpacked(cli: Cli, platform: string, into: string): Promise<string> {
  const archive = cli.scratch.path(`saved-${platform.replace('/', '-')}.tar`);
  await cli.run(['save', '--platform', platform, '-o', archive, 'cluster:1']);
  const unpack =
    'mkdir -p "$2/all" && cd "$2" && tar xf "$1" -C all && for blob in all/blobs/sha256/*; do tar xf "$blob" registry etc 2>/dev/null || true; done';
  await runTool('sh', ['-c', unpack, 'sh', archive, into]);
  return into;
}

/** The same files with the same modes, made last to first and with times of their own. */
async function copyBackwards(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const [index, file] of files.sort().reverse().entries()) {
    const target = join(to, file.slice(from.length));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(file, target);
    await utimes(target, 1e9 + index, 1e9 + index);
  }
}

const bomb = (): string =>
  `l0: &l0 [x]\n${Array.from({ length: 30 }, (_, level) => `l${level + 1}: &l${level + 1} [*l${level}, *l${level}]\n`).join('')}`;

describe('the command line', () => {
  it('wants the lock with --locked', async () => {
    await using cli = await openCli();
    const { status, stderr } = await cli.call(['gather', '--locked', cli.scratch.directory]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('--image-lock') as unknown,
    });
  });
});
