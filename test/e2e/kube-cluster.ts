/**
 * What a cluster image is made of: fixtures/clusters/gathered with programs and archives for two platforms, and two
 * registries, one of them closed, with the images that it names.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { busyboxRootfs, kubectlProgram } from './bases.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/clusters/gathered');
const ARCHITECTURES = ['arm64', 'amd64'];
export const PLATFORMS = ARCHITECTURES.map((architecture) => `linux/${architecture}`);

const IMAGES = [
  'kube/apiserver:v1',
  'kube/etcd:v3',
  'library/pause:3.9',
  'kube/proxy:v1',
  'kube/operator:1.10',
  'web/server:2.0',
  'apps/job:5',
  'apps/monitor:7',
];
/** Named by the digest of its index. */
const PINNED = 'kube/dns:1.9';
const PRIVATE = 'private/tool:1';

export interface KubeCluster extends AsyncDisposable {
  /** Its store has all the images, under the names of their registries. */
  readonly cli: Cli;
  readonly origin: DockerRegistry;
  /** Wants user and password, which the context's imageListWithAuth.yaml has. */
  readonly closed: DockerRegistry;
  /** The environment of who may read from the closed one. */
  readonly loggedIn: Readonly<Record<string, string>>;
  /** The fixture with the names of the registries that are really there. */
  readonly context: string;
  /** Full names, as the cluster image has them. */
  readonly images: readonly string[];
  /** Builds an image of one file and pushes it; the digest it has there. */
  publish(name: string, platforms: readonly string[]): Promise<string>;
}

/** The caller disposes it. */
export async function openKubeCluster(): Promise<KubeCluster> {
  const cli = await openCli();
  const htpasswd = await cli.scratch.write('htpasswd', await runTool('htpasswd', ['-Bbn', 'user', 'secret']));
  for (const name of ['origin', 'closed']) await mkdir(cli.scratch.path(name));
  const origin = await DockerRegistry.start(cli.scratch.path('origin'));
  const closed = await DockerRegistry.start(cli.scratch.path('closed'), { htpasswd });
  const loggedIn = { DOCKER_CONFIG: cli.scratch.path('docker') };
  await cli.run(['login', '-u', 'user', '--password-stdin', closed.host], { env: loggedIn, input: 'secret' });
  const publish = async (name: string, platforms: readonly string[]): Promise<string> => {
    const folder = cli.scratch.path('image', name.replace(/[/:.]/g, '-'));
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/who`, name);
    await writeFile(`${folder}/Dockerfile`, 'FROM scratch\nARG TARGETARCH\nCOPY who /who-$TARGETARCH\n');
    await cli.run(['build', '-q', '-t', name, '--platform', platforms.join(','), folder]);
    return cli.run(['push', name], { env: loggedIn });
  };
  const named = [...IMAGES, PINNED].map((image) => `${origin.host}/${image}`);
  const digests = await Promise.all(
    [...named, `${closed.host}/${PRIVATE}`].map((name) => publish(name, PLATFORMS)),
  );
  const pin = digests[IMAGES.length] ?? '';
  const images = [
    ...IMAGES.map((image) => `${origin.host}/${image}`),
    `${origin.host}/${PINNED}@${pin}`,
    `${closed.host}/${PRIVATE}`,
  ];
  const context = await makeContext(cli, {
    'registry.test': origin.host,
    'private.test': closed.host,
    [`sha256:${'0'.repeat(64)}`]: pin,
  });
  return {
    ...{ cli, origin, closed, loggedIn, context, images, publish },
    [Symbol.asyncDispose]: async () => {
      for (const each of [origin, closed, cli]) await each[Symbol.asyncDispose]();
    },
  };
}

const NAMING = [
  'imageListWithAuth.yaml',
  'manifests/imageList',
  'manifests/addons.yaml',
  'charts/web/values.yaml',
  'application/apps/shell/job.yaml',
  'application/apps/monitor/kustomization.yaml',
];

/** The programs and archives of each platform stand in a folder of its own. */
async function makeContext(cli: Cli, names: Readonly<Record<string, string>>): Promise<string> {
  const context = cli.scratch.path('context');
  await cp(FIXTURE, context, { recursive: true });
  for (const file of NAMING) {
    let text = await readFile(join(context, file), 'utf8');
    for (const [from, to] of Object.entries(names)) text = text.replaceAll(from, to);
    await writeFile(join(context, file), text);
  }
  for (const architecture of ARCHITECTURES) {
    const [bin, cri, images] = ['bin', 'cri', 'images'].map((part) => join(context, architecture, part)) as [
      string,
      string,
      string,
    ];
    for (const folder of [bin, cri, images]) await mkdir(folder, { recursive: true });
    await cp(await kubectlProgram(architecture), join(bin, 'kubectl'));
    const pack = ['-c', 'gzip -1n < "$1" > "$2"', 'sh', await busyboxRootfs(architecture)];
    await runTool('sh', [...pack, join(cri, 'runtime.tar.gz')]);
    const platform = ['--platform', `linux/${architecture}`, '--format', 'docker'];
    const pause = `${names['registry.test'] ?? ''}/library/pause:3.9`;
    await cli.run(['save', ...platform, '-o', join(images, 'registry.tar'), pause]);
  }
  return context;
}
