/** The example of sealer's multi-arch design, built for two platforms, in sealer's own documents. */
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { build } from './projects.ts';

const KUBEFILE = `FROM kubernetes:v1.19.8
COPY dashboard.yaml manifests
COPY \${ARCH}/helm bin
COPY my-mysql charts
CMD helm install my-mysql bitnami/mysql --version 8.8.26
CMD kubectl apply -f manifests/dashboard.yaml
`;
const FILES = {
  'amd64/helm': 'helm for amd64, which is larger\n',
  'arm64/helm': 'helm for arm64\n',
  'dashboard.yaml': 'kind: Deployment\n',
  'my-mysql/values.yaml': 'replicas: 1\n',
};
const NAME = 'kubernetes-multi-arch:v1.19.8';
const PLATFORMS = ['--platform', 'linux/arm64,linux/amd64'];

interface Image {
  readonly spec: {
    readonly id: string;
    readonly image_config: { readonly cmd: { readonly current: readonly string[] } };
    readonly layers: readonly { readonly id: string; readonly type: string; readonly value: string }[];
    readonly platform: object;
  };
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
}

interface Documents {
  readonly list: Readonly<
    Record<string, { readonly manifests: readonly { id: string; size: number; platform: object }[] }>
  >;
  readonly images: readonly Image[];
}

async function openExample(): Promise<Cli> {
  const cli = await openCli();
  const base = { kubefile: 'FROM scratch\nCOPY . .\n', folder: 'base', files: { Metadata: '{}\n' } };
  const epoch = ['--source-date-epoch', '1646720598'];
  await build(cli, 'kubernetes:v1.19.8', { ...base, platforms: PLATFORMS, args: epoch });
  await build(cli, NAME, { kubefile: KUBEFILE, files: FILES, platforms: PLATFORMS, args: epoch });
  return cli;
}

async function sealerDocuments(cli: Cli, args: readonly string[] = []): Promise<Documents> {
  const text = await cli.run(['inspect', '--format', 'sealer', NAME, ...args]);
  const [list, ...images] = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  return { list: list as Documents['list'], images: images as Image[] };
}

describeWith(['root'], 'the example of the multi-arch design', () => {
  it('has a list of two manifests and an Image document for each', async () => {
    await using cli = await openExample();
    const { list, images } = await sealerDocuments(cli);
    expect(Object.keys(list)).toEqual([NAME]);
    const manifests = list[NAME]?.manifests ?? [];
    expect(manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 'arm64', os: 'linux', variant: 'v8' },
      { architecture: 'amd64', os: 'linux' },
    ]);
    expect(manifests.map(({ id }) => id)).toEqual(images.map(({ spec }) => spec.id));
    expect((manifests[1]?.size ?? 0) - (manifests[0]?.size ?? 0)).toBe(17); // the two helms
    for (const { spec, metadata } of images) {
      expect(metadata.name).toBe(NAME);
      expect(metadata.annotations['sea.aliyun.com/ClusterFile']).toContain(`image: ${NAME}\n`);
      expect(spec.image_config.cmd.current).toEqual([
        'helm install my-mysql bitnami/mysql --version 8.8.26',
        'kubectl apply -f manifests/dashboard.yaml',
      ]);
      expect(spec.layers.map(({ type }) => type)).toEqual(['COPY', 'COPY', 'COPY', 'COPY']);
    }
    const values = images.map(({ spec }) => spec.layers.map(({ value }) => value));
    expect(values).toEqual([
      ['. .', 'dashboard.yaml manifests', 'arm64/helm bin', 'my-mysql charts'],
      ['. .', 'dashboard.yaml manifests', 'amd64/helm bin', 'my-mysql charts'],
    ]);
    const [arm = [], amd = []] = images.map(({ spec }) => spec.layers.map(({ id }) => id));
    expect(arm.map((id, index) => id === amd[index])).toEqual([true, true, false, true]);
  });

  it('is the same every time, and has one platform when one is asked for', async () => {
    await using cli = await openExample();
    const { images } = await sealerDocuments(cli);
    const { list, images: picked } = await sealerDocuments(cli, ['--platform', 'linux/amd64']);
    expect(picked).toEqual(images.slice(1));
    expect(list[NAME]?.manifests).toHaveLength(1);
  });
});
