/** The archives of sealer v0.8: saved, loaded, saved again, and what comes of those that are not whole. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { build } from './projects.ts';

const PLATFORMS = ['--platform', 'linux/arm64,linux/amd64'];
const NAME = 'cluster:v1';
const KUBEFILE = `FROM base
COPY manifests .
COPY \${ARCH}/tool bin
CMD kubectl apply -f app.yaml
`;
const FILES = {
  'amd64/tool': 'for amd64\n',
  'arm64/tool': 'for arm64, and longer\n',
  'manifests/app.yaml': 'kind: Deployment\n',
};

let cli: Cli;
let archive: string;

beforeAll(async () => {
  cli = await openCli();
  archive = cli.scratch.path('cluster.tar');
  await build(cli, 'base', {
    kubefile: 'FROM scratch\nCOPY --chmod=4711 Metadata /bin/\nCOPY <<E /etc/x\nx\nE\n',
    folder: 'base',
    files: { Metadata: '{}\n' },
    platforms: PLATFORMS,
    args: ['--dialect', 'dockerfile'],
  });
  await build(cli, NAME, { kubefile: KUBEFILE, files: FILES, platforms: PLATFORMS });
  await cli.run(['save', '--format', 'sealer-v0.8', '-o', archive, NAME]);
});
afterAll(async () => cli[Symbol.asyncDispose]());

interface Platform {
  readonly platform: string;
  readonly manifest: { readonly layers: readonly { readonly digest: string }[] };
  readonly config: {
    readonly rootfs: { readonly diff_ids: readonly string[] };
    readonly history: readonly { readonly created_by: string; readonly empty_layer?: boolean }[];
  };
}

const platformsOf = async (store: Cli): Promise<readonly Platform[]> =>
  (JSON.parse(await store.run(['inspect', NAME])) as { platforms: readonly Platform[] }).platforms;

const namesIn = (path: string): string[] =>
  execFileSync('tar', ['-tf', path]).toString('utf8').trimEnd().split('\n');

describeWith(['root'], 'an archive of sealer v0.8', () => {
  it('has each layer once as a folder, the documents of both platforms, and their list', async () => {
    const documents = await cli.run(['inspect', '--format', 'sealer', NAME]);
    const names = namesIn(archive);
    expect(new Set(names).size).toBe(names.length);
    expect(names.at(-1)).toBe('Metadata');
    const list = JSON.parse(execFileSync('tar', ['-xOf', archive, 'Metadata']).toString('utf8')) as Record<
      string,
      { readonly manifests: readonly { readonly id: string; readonly platform: object }[] }
    >;
    expect(Object.keys(list)).toEqual([NAME]);
    for (const { id } of list[NAME]?.manifests ?? []) {
      const text = execFileSync('tar', ['-xOf', archive, `${id}.yaml`]).toString('utf8');
      expect(documents).toContain(text.trimEnd());
      for (const [, layer] of text.matchAll(/id: sha256:([0-9a-f]{64})/g))
        expect(names.some((name) => name.startsWith(`${layer}/`))).toBe(true);
    }
    expect(names.filter((name) => name.endsWith('/app.yaml'))).toHaveLength(1);
    expect(names.filter((name) => name.endsWith('/bin/tool'))).toHaveLength(2);
  });

  it('gives images back whose content is the same, and the same archive again', async () => {
    await using other = await openCli();
    expect(await other.run(['load', '-i', archive])).toMatch(/^docker\.io\/library\/cluster:v1 sha256:/);
    const [before, after] = [await platformsOf(cli), await platformsOf(other)];
    expect(after.map(({ platform }) => platform)).toEqual(['linux/arm64', 'linux/amd64']);
    expect(after.map(({ config }) => config.rootfs.diff_ids)).toEqual(
      before.map(({ config }) => config.rootfs.diff_ids),
    );
    expect(after[0]?.config.history.map(({ created_by }) => created_by)).toEqual(
      before[0]?.config.history
        .filter(({ empty_layer }) => empty_layer !== true)
        .map(({ created_by }) => created_by),
    );
    await other.run(['verify', NAME]);
    const again = other.scratch.path('again.tar');
    await other.run(['save', '--format', 'sealer-v0.8', '-o', again, NAME]);
    expect(readFileSync(again).equals(readFileSync(archive))).toBe(true);
  });

  it('is a place that images are copied to and from', async () => {
    const copied = cli.scratch.path('copied.tar');
    await cli.run(['copy', NAME, `sealer-v0.8:${copied}`]);
    expect(readFileSync(copied).equals(readFileSync(archive))).toBe(true);
    const layout = cli.scratch.path('layout');
    await cli.run(['copy', `sealer-v0.8:${archive}:${NAME}`, `oci:${layout}:v1`]);
    await cli.run(['copy', `oci:${layout}:v1`, `sealer-v0.8:${copied}:${NAME}`]);
    expect(readFileSync(copied).equals(readFileSync(archive))).toBe(true);
    const packed = await cli.call(['copy', '--compression', 'gzip', NAME, `sealer-v0.8:${copied}`]);
    expect([packed.status, packed.stderr]).toEqual([
      2,
      expect.stringContaining('nothing packs them') as unknown,
    ]);
    const unknown = await cli.call(['copy', `sealer-v0.8:${archive}:other:v1`, `oci:${layout}:v2`]);
    expect([unknown.status, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('IMAGE_NOT_FOUND') as unknown,
    ]);
  });

  it('holds the platforms that are asked for', async () => {
    const path = cli.scratch.path('arm.tar');
    await cli.run(['save', '--format', 'sealer-v0.8', '--platform', 'linux/arm64', '-o', path, NAME]);
    await using other = await openCli();
    await other.run(['load', '-i', path]);
    expect((await platformsOf(other)).map(({ platform }) => platform)).toEqual(['linux/arm64']);
  });

  it('is refused when a file in it was changed, and names nothing then', async () => {
    const bytes = readFileSync(archive);
    bytes.write('for ARM64', bytes.indexOf('for arm64, and'));
    const damaged = cli.scratch.path('damaged.tar');
    writeFileSync(damaged, bytes);
    await using other = await openCli();
    const { status, stderr } = await other.call(['load', '-i', damaged]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/layer [0-9a-f]{12} has the content of/)]);
    expect(JSON.parse(await other.run(['images', '--json']))).toEqual([]);
  });

  it('takes no packing, and verify says where to look at it', async () => {
    const packed = await cli.call(['save', '--format', 'sealer-v0.8', '--compression', 'gzip', NAME]);
    expect([packed.status, packed.stderr]).toEqual([2, expect.stringContaining('nothing packs them')]);
    const { stdout } = await cli.call(['verify', archive]);
    expect(stdout).toContain('is an archive of sealer v0.8, and is to be loaded first');
  });
});

describeWith(['root', 'command:zstd'], 'a build', () => {
  it('writes archives of sealer, and of all others with packed layers', async () => {
    const [old, recent, oci, cache] = ['old', 'recent', 'oci', 'cache'].map((name) => cli.scratch.path(name));
    const outputs = [
      ['-o', `type=sealer,format=v0.8,dest=${old!}`],
      ['-o', `type=sealer,dest=${recent!},compression=gzip`],
      ['-o', `type=oci,dest=${oci!},compression=zstd,compression-level=5,force-compression=true`],
      ['--cache-to', `type=local,dest=${cache!},compression=gzip`],
    ];
    const project = { kubefile: KUBEFILE, files: FILES, platforms: PLATFORMS };
    const { digest, log } = await build(cli, NAME, { ...project, args: outputs.flat() });
    expect(readFileSync(old!).equals(readFileSync(archive))).toBe(true);
    const [packed] = /(?<=packed for --output type=oci the image is )sha256:\w+/.exec(log) ?? [];
    for (const [path, suffix] of [
      [recent!, '+gzip'],
      [oci!, '+zstd'],
    ] as const) {
      await using other = await openCli();
      const loaded = await other.run(['load', '-i', path]);
      expect(loaded).not.toContain(digest);
      if (path === oci) expect(loaded).toContain(packed);
      const text = await other.run(['inspect', NAME]);
      expect(text.match(/layer\.v1\.tar[+\w]*/g)).toContain(`layer.v1.tar${suffix}`);
      expect((await platformsOf(other)).map(({ config }) => config.rootfs)).toEqual(
        (await platformsOf(cli)).map(({ config }) => config.rootfs),
      );
      if (path === oci) continue;
      await other.run(['load', '-i', await basesOf(cli)]);
      const again = await build(other, NAME, {
        ...project,
        args: ['--cache-from', `type=local,src=${cache!}`],
      });
      expect([again.digest, again.log.match(/ cached /g)?.length]).toEqual([digest, 6]);
    }
  });
});

async function basesOf(from: Cli): Promise<string> {
  const path = from.scratch.path('bases.tar');
  await from.run(['save', '-o', path, 'base']);
  return path;
}
