/** A cluster image with everything it needs: gathered from a registry and from archives, served by a stock registry. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, runTool, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';

const FIXTURE = new URL('../../fixtures/clusters/gathered', import.meta.url).pathname;
const PLATFORMS = ['linux/arm64', 'linux/amd64'];
const IMAGES = [
  'kube/apiserver:v1',
  'kube/etcd:v3',
  'library/pause:3.9',
  'kube/proxy:v1',
  'kube/operator:1.10',
  'web/server:2.0',
  'apps/job:5',
];

let cli: Cli;
let tools: ForeignTools;
let origin: DockerRegistry;
let closed: DockerRegistry;
/** The fixture with the name of the registry that is really there. */
let context: string;

/** An image of one file for these platforms. */
async function publish(name: string, platforms: readonly string[]): Promise<string> {
  const folder = cli.scratch.path('image', name.replace(/[/:.]/g, '-'));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/who`, name);
  await writeFile(`${folder}/Dockerfile`, 'FROM scratch\nARG TARGETARCH\nCOPY who /who-$TARGETARCH\n');
  const digest = await cli.run(['build', '-q', '-t', name, '--platform', platforms.join(','), folder]);
  await cli.run(['push', name]);
  return digest;
}

beforeAll(async () => {
  cli = await openCli();
  tools = await openForeignTools();
  const htpasswd = await cli.scratch.write('htpasswd', await runTool('htpasswd', ['-Bbn', 'user', 'secret']));
  await mkdir(cli.scratch.path('origin'));
  await mkdir(cli.scratch.path('closed'));
  origin = await DockerRegistry.start(cli.scratch.path('origin'));
  closed = await DockerRegistry.start(cli.scratch.path('closed'), { htpasswd });
  for (const image of IMAGES) await publish(`${origin.host}/${image}`, PLATFORMS);
  context = cli.scratch.path('context');
  await cp(FIXTURE, context, { recursive: true });
  const files = [
    'manifests/imageList',
    'manifests/addons.yaml',
    'charts/web/values.yaml',
    'application/apps/shell/job.yaml',
  ];
  for (const file of files) {
    const text = await readFile(`${context}/${file}`, 'utf8');
    await writeFile(`${context}/${file}`, text.replaceAll('registry.test', origin.host));
  }
});
afterAll(async () => {
  for (const each of [origin, closed, tools, cli]) await each[Symbol.asyncDispose]();
});

/** The `registry/` of one platform of an image, in a directory. */
async function registryOf(store: Cli, name: string, platform: string, into: string): Promise<void> {
  const archive = store.scratch.path(`saved-${platform.replace('/', '-')}.tar`);
  await store.run(['save', '--platform', platform, '-o', archive, name]);
  const unpack =
    'mkdir -p "$2/all" && cd "$2" && tar xf "$1" -C all && for blob in all/blobs/sha256/*; do tar xf "$blob" registry 2>/dev/null || true; done';
  await runTool('sh', ['-c', unpack, 'sh', archive, into]);
}

/** What a stock registry on these directories (laid over each other) says each image is for a platform. */
async function served(folders: readonly string[], platform: string): Promise<string[]> {
  const [os = '', arch = ''] = platform.split('/');
  const place = cli.scratch.path(`served-${String(Math.random()).slice(2)}`);
  await mkdir(`${place}/registry`, { recursive: true });
  for (const folder of folders)
    await runTool('sh', ['-c', 'cp -r "$1"/registry/. "$2"/registry/', 'sh', folder, place]);
  await using registry = await DockerRegistry.start(place, { readOnly: true });
  const answers: string[] = [];
  for (const image of IMAGES) {
    const layout = cli.scratch.path(`pulled-${String(Math.random()).slice(2)}`);
    await tools.skopeo([
      '--override-os',
      os,
      '--override-arch',
      arch,
      'copy',
      '-q',
      '--src-tls-verify=false',
      `docker://${registry.host}/${image}`,
      `oci:${layout}:x`,
    ]);
    const config = JSON.parse(await tools.skopeo(['inspect', '--config', `oci:${layout}:x`])) as {
      architecture: string;
    };
    answers.push(`${image} ${config.architecture}`);
  }
  return answers;
}

describeWith(
  ['root', 'command:docker-registry', 'command:skopeo', 'command:htpasswd'],
  'a cluster image',
  () => {
    let store: Cli;
    let digest: string;
    const lock = (): string => store.scratch.path('images.json');
    const build = (...more: string[]): string[] => [
      'build',
      '-t',
      'cluster:1',
      '--platform',
      PLATFORMS.join(','),
      '--source-date-epoch',
      '1',
      ...more,
      context,
    ];

    beforeAll(async () => {
      store = await openCli();
      digest = await store.run(build('--image-lock', lock()));
    });
    afterAll(() => store[Symbol.asyncDispose]());

    it('has every image that lists, YAML, charts and applications name, with their places', async () => {
      const listed = JSON.parse(await store.run(['gather', '--list', '--json', context])) as {
        images: { name: string; places: { file: string; line: number }[] }[];
      };
      expect(listed.images.map(({ name }) => name.slice(origin.host.length + 1)).sort()).toEqual(
        [...IMAGES].sort(),
      );
      const pause = listed.images.find(({ name }) => name.endsWith('/library/pause:3.9'));
      expect(pause?.places).toEqual([
        { file: 'manifests/imageList', line: 5 },
        { file: 'manifests/addons.yaml', line: 6 },
      ]);
      const web = listed.images.find(({ name }) => name.endsWith('/web/server:2.0'));
      expect(web?.places).toEqual([{ file: 'charts/web/templates/deployment.yaml', line: 7 }]);
    });

    it('says in its manifest which images it has, as sealer does', async () => {
      const manifest = JSON.parse(
        await store.run(['inspect', '--format', 'manifest', '--platform', 'linux/arm64', 'cluster:1']),
      ) as { annotations: Record<string, string> };
      const images = JSON.parse(manifest.annotations['sealer.image.container.images'] ?? '[]') as unknown[];
      expect(images).toHaveLength(IMAGES.length);
      expect(images).toContainEqual({
        image: `${origin.host}/kube/etcd:v3`,
        platform: { architecture: 'arm64', os: 'linux' },
      });
    });

    it('serves each platform with its own, alone and laid over each other, from a stock registry', async () => {
      const [arm64, amd64] = [store.scratch.path('arm64'), store.scratch.path('amd64')];
      await registryOf(store, 'cluster:1', 'linux/arm64', arm64);
      await registryOf(store, 'cluster:1', 'linux/amd64', amd64);
      const all = (arch: string): string[] => IMAGES.map((image) => `${image} ${arch}`);
      expect(await served([arm64], 'linux/arm64')).toEqual(all('arm64'));
      expect(await served([arm64, amd64], 'linux/arm64')).toEqual(all('arm64'));
      expect(await served([arm64, amd64], 'linux/amd64')).toEqual(all('amd64'));
      await expect(served([arm64], 'linux/amd64')).rejects.toThrow(
        /manifest unknown|not found|no image found/i,
      );
    });

    it('is the same image again, without a network, with the lock alone', async () => {
      expect(await store.run(build('--offline', '--locked', '--image-lock', lock()))).toBe(digest);
    });

    it('comes out the same from archives, without a network', async () => {
      const archive = cli.scratch.path('images.tar');
      await cli.run(['save', '-o', archive, ...IMAGES.map((image) => `${origin.host}/${image}`)]);
      await using other = await openCli();
      expect(await other.run(build('--offline', '--image-source', archive))).toBe(digest);
    });

    it('takes a private image with the password of its list, which is in no layer', async () => {
      const name = `${closed.host}/private/tool:1`;
      const env = { DOCKER_CONFIG: cli.scratch.path('docker') };
      await cli.run(['login', '-u', 'user', '--password-stdin', closed.host], { env, input: 'secret' });
      const folder = cli.scratch.path('private');
      await mkdir(folder);
      await writeFile(`${folder}/Dockerfile`, 'FROM scratch\nLABEL a=b\nCOPY Dockerfile /f\n');
      await cli.run(['build', '-q', '-t', name, '--platform', PLATFORMS.join(','), folder]);
      await cli.run(['push', name], { env });
      const own = cli.scratch.path('with-private');
      await cp(context, own, { recursive: true });
      await writeFile(`${own}/Kubefile`, '# syntax=kubefile/v2\nFROM scratch\nCOPY . .\n');
      const section = `- {registry: "${closed.host}", username: user, password: secret, images: ["private/tool:1"]}\n`;
      await writeFile(`${own}/imageListWithAuth.yaml`, section);
      const platform = ['--platform', 'linux/arm64'];
      await store.run(['build', '-t', 'with-private', ...platform, own]);
      const archive = store.scratch.path('private.tar');
      await store.run(['save', '--format', 'docker', ...platform, '-o', archive, 'with-private']);
      const contents = await runTool('sh', [
        '-c',
        'mkdir "$2" && tar xf "$1" -C "$2" && grep -rlaF "password: secret" "$2" || true; grep -rlaF "private/tool" "$2" | wc -l',
        'sh',
        archive,
        store.scratch.path('grep'),
      ]);
      expect(Number(contents.trim())).toBeGreaterThan(0);
      await writeFile(`${own}/imageListWithAuth.yaml`, section.replace('secret', 'wrong'));
      const { status, stderr } = await store.call([
        'build',
        '--no-cache',
        '--pull',
        'always',
        ...platform,
        own,
      ]);
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: expect.stringMatching(/private\/tool:1: .*401.*\[.*imageListWithAuth\.yaml:1\]/) as unknown,
      });
      expect(stderr).not.toContain('wrong');
    });

    it('is refused with all that is wrong at once', async () => {
      await publish(`${origin.host}/only/amd64:1`, ['linux/amd64']);
      const bad = cli.scratch.path('bad');
      await cp(context, bad, { recursive: true });
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
  },
);

const bomb = (): string =>
  `l0: &l0 [x]\n${Array.from({ length: 30 }, (_, level) => `l${level + 1}: &l${level + 1} [*l${level}, *l${level}]\n`).join('')}`;

describe('the command line', () => {
  it('wants the lock with --locked', async () => {
    const { status, stderr } = await cli.call(['gather', '--locked', context]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('--image-lock') as unknown,
    });
  });
});
