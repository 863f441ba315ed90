/** sealer's instructions in whole builds: files, labels, and the annotation that a cluster reads. */
import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { build } from '../../src/build/build.ts';
import { startOf } from '../../src/build/app-step.ts';
import { formatExtension, parseContainerImages, parseExtension } from '../../src/build/cluster-image.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { parseImageConfig } from '../../src/oci/image-config.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { DEFAULT_OPTIONS } from './build-options.ts';
import { openScratch } from '../support/scratch.ts';

interface Built {
  readonly extension: Readonly<Record<string, unknown>> | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly history: readonly string[];
}

interface Yard extends AsyncDisposable {
  build(text: string, tags?: readonly string[]): Promise<Built>;
}

const FILES = ['calico.sh', 'nginx/deployment.yaml', 'nginx/service.yml', 'odd/readme.txt'].concat([
  'chart/Chart.yaml',
  'chart/values.yaml',
  'chart/templates/a.yaml',
]);

async function openYard(): Promise<Yard> {
  const scratch = await openScratch('cluster');
  const store = await openStore(scratch.path('store'));
  for (const folder of ['', 'nginx', 'odd', 'chart', 'chart/templates'])
    mkdirSync(scratch.path(`context/${folder}`));
  for (const file of FILES) await scratch.write(`context/${file}`, `${file}\n`);
  const job = { store, report: () => undefined, signal: new AbortController().signal };
  return {
    build: async (text, tags = []) => {
      const { root } = await build(job, {
        ...DEFAULT_OPTIONS,
        context: scratch.path('context'),
        file: { path: 'Kubefile', text },
        tags,
        platforms: [parsePlatform('linux/arm64')],
        dialect: 'auto',
        sourceDateEpoch: 0,
      });
      const manifest = parseManifest(store.blobs.readDocument(root.digest));
      const config = parseImageConfig(store.blobs.readDocument(manifest.config.digest));
      const text_ = manifest.annotations?.['sealer.image.extension'];
      return {
        extension: text_ === undefined ? undefined : (JSON.parse(text_) as Built['extension']),
        labels: config.config?.Labels ?? {},
        history: (config.history ?? []).map(({ created_by: createdBy = '' }) => createdBy),
      };
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

const WHOLE = `FROM scratch
ENV CIDR=10.0.0.0/16
CNI calico local://calico.sh
APP nginx local://nginx
APPENV nginx replicas=3 cidr=$CIDR
APPCMDS nginx ["kubectl apply -f deployment.yaml"]
APP chart local://chart
KUBEVERSION >=1.20
LAUNCH calico chart
`;

describeWithRoot('a cluster image', () => {
  it('says what is in it and how it starts', async () => {
    await using yard = await openYard();
    const { extension, labels, history } = await yard.build(WHOLE);
    expect(extension).toMatchObject({
      schemaVersion: 'v1alpha1',
      type: 'kube-installer',
      applications: [
        { name: 'calico', type: 'shell', files: ['calico.sh'], version: 'v1' },
        {
          name: 'nginx',
          type: 'kube',
          files: ['deployment.yaml', 'service.yml'],
          version: 'v1',
          env: { replicas: '3', cidr: '10.0.0.0/16' },
          cmds: ['kubectl apply -f deployment.yaml'],
        },
        { name: 'chart', type: 'helm', files: [], version: 'v1' },
      ],
      env: { CIDR: '10.0.0.0/16' },
      launch: { app_names: ['calico', 'chart'] },
    });
    expect(labels).toEqual({
      'cluster.alpha.sealer.io/kube-cni-calico': 'true',
      'app.alpha.sealer.io/supported-kube-version': '>=1.20',
    });
    expect(history).toContain('COPY nginx /application/apps/nginx/');
  });

  it('hands its applications on, but not what it starts', async () => {
    await using yard = await openYard();
    await yard.build(WHOLE, ['docker.io/library/base:1']);
    const { extension } = await yard.build('FROM base:1\nAPPCMDS chart ["helm install"]\nLAUNCH nginx\n');
    expect(extension).toMatchObject({
      applications: [{ name: 'calico' }, { name: 'nginx' }, { name: 'chart', cmds: ['helm install'] }],
      env: { CIDR: '10.0.0.0/16' },
      launch: { app_names: ['nginx'] },
    });
    expect(extension?.['launch']).toEqual({ app_names: ['nginx'] });
  });

  it.each([
    [
      'CMD',
      'FROM scratch\nLABEL a=b\nCMD kubectl get nodes\nCMD ["a", "b"]\n',
      ['kubectl get nodes', 'a', 'b'],
    ],
    ['CMDS', 'FROM scratch\nCMDS ["a", "b"]\n', ['a', 'b']],
  ])('starts what %s says', async (_, text, cmds) => {
    await using yard = await openYard();
    expect((await yard.build(text)).extension).toMatchObject({ launch: { cmds } });
  });

  it('is no cluster image without any of it', async () => {
    await using yard = await openYard();
    expect((await yard.build('FROM scratch\nENV A=b\n')).extension).toBeUndefined();
  });

  it.each([
    ['LAUNCH nginx', 3, 'there is no application "nginx" here'],
    ['APPENV nginx a=b', 3, 'there is no application "nginx" here'],
    ['APP odd local://odd', 3, 'application odd is neither a chart nor all .yaml nor all .sh'],
    ['APP gone local://gone', 3, '"/gone": not found'],
  ])('cannot be built with %s', async (line, at, message) => {
    await using yard = await openYard();
    await expect(yard.build(`FROM scratch\nAPP a local://calico.sh\n${line}\n`)).rejects.toMatchObject({
      message: expect.stringContaining(message) as string,
      location: { line: at },
    });
  });
});

it.each([
  [['a.sh', 'b/c.sh'], [], 'shell'],
  [['a.yaml', 'b.YML'], [], 'kube'],
  [['Chart.yaml', 'values.yaml', 'templates/x.yaml'], ['', 'templates'], 'helm'],
  [['a.sh', 'b.yaml'], [], ''],
  [[], [], ''],
])('%j starts as its kind', (files, directories, type) => {
  expect(startOf(files, directories).type).toBe(type);
});

it('an annotation of sealer is read, nulls included, and written as it was', () => {
  const text =
    '{"schemaVersion":"v1alpha1","type":"app-installer","applications":[{"name":"a","type":"kube","files":["x.yaml"],"version":"v1"}],"launch":{"cmds":null,"app_names":["a"]}}';
  const cluster = parseExtension(text);
  expect(parseExtension(formatExtension(cluster))).toEqual(cluster);
  expect(cluster).toMatchObject({ type: 'app-installer', launch: { cmds: [], apps: ['a'] } });
  expect(() => parseExtension('[]')).toThrow('sealer.image.extension');
  expect(() => parseExtension('{')).toThrow('is no JSON');
});

it('a list of container images is read, and what is wrong with it is told by its own name', () => {
  expect(parseContainerImages('[{"image":"a:1","platform":{}},{"image":null},{}]')).toEqual(['a:1']);
  expect(parseContainerImages('null')).toEqual([]);
  for (const text of ['{}', '[1]', '{'])
    expect(() => parseContainerImages(text)).toThrow('sealer.image.container.images');
});
