/** copy, push, pull, save, load, manifest and merge as a user has them: every place, and what is printed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { build } from './projects.ts';

const NAME = 'docker.io/library/app:1';

let cli: Cli;
let tools: ForeignTools;
let digest: string;

const buildScratch = async (tag: string, platforms: string, word: string): Promise<string> => {
  const kubefile = `FROM scratch\nCOPY <<EOF /${word}\n${word}\nEOF\nENV ${word.toUpperCase()}=1\nLABEL ${word}=yes\n`;
  const options = { kubefile, platforms: ['--platform', platforms], args: ['--dialect', 'dockerfile'] };
  return (await build(cli, tag, options)).digest;
};

beforeAll(async () => {
  cli = await openCli();
  tools = await openForeignTools();
  digest = await buildScratch('app:1', 'linux/amd64,linux/arm64', 'one');
});
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  await tools[Symbol.asyncDispose]();
});

interface Listed {
  readonly name: string | null;
  readonly digest: string;
  readonly absent: readonly string[];
  readonly platforms: readonly { readonly platform: string }[];
}

const find = async (name: string | null): Promise<Listed | undefined> =>
  (JSON.parse(await cli.run(['images', '--json'])) as Listed[]).find((image) => image.name === name);

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: Readonly<Record<string, string>>;
    readonly annotations?: unknown;
  }[];
}

const listOf = async (name: string): Promise<Index> =>
  JSON.parse(await cli.run(['manifest', 'inspect', name])) as Index;

describeWith(['root', 'command:docker-registry', 'command:skopeo'], 'push', () => {
  it('packs layers once, prints the digest the registry has, and pull brings that one', async () => {
    const directory = tools.scratch.path('serve');
    mkdirSync(directory);
    await using registry = await DockerRegistry.start(directory);
    const name = `${registry.host}/team/app:1`;
    const first = await cli.call(['push', 'app:1', name]);
    expect(first.stderr).toContain('packing layer');
    const pushed = first.stdout.trim();
    const raw = await tools.skopeo(['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
    expect(`sha256:${execFileSync('sha256sum', { input: raw }).toString('utf8').slice(0, 64)}`).toBe(pushed);
    expect(pushed).not.toBe(digest);
    expect((await find(NAME))?.digest).toBe(digest);
    const second = await cli.call(['push', 'app:1', name.replace('team', 'other')]);
    expect([second.stdout.trim(), second.stderr.includes('packing')]).toEqual([pushed, false]);
    expect(await cli.run(['push', '--compression', 'none', 'app:1', `${name}-plain`])).toBe(digest);
    const gentle = ['push', '--compression', 'zstd', '--no-force-compression', 'app:1'];
    expect(await cli.run([...gentle, name])).toBe(pushed);
    expect(await cli.run([...gentle, name.replace('team', 'elsewhere')])).not.toBe(pushed);
    const docker = await cli.run(['push', '--format', 'docker', 'app:1', `${name}-docker`]);
    expect(docker).not.toBe(pushed);
    expect(await cli.run(['pull', '--platform', 'linux/arm64/v9', name])).toBe(pushed);
    expect(await find(name)).toMatchObject({
      absent: ['linux/amd64'],
      platforms: [{ platform: 'linux/arm64' }],
    });
    expect(await cli.run(['images'])).toMatch(/team\/app +1 +linux\/arm64 \(1 of 2\)/);
    // what is here in part is pushed in part
    expect(await cli.run(['push', name, `${name}-part`])).not.toBe(pushed);
    expect(await cli.run(['copy', `docker://${name}`, `dir:${tools.scratch.path('copied')}`])).toBe(pushed);
    await cli.run(['rmi', name]);
  });
});

describeWith(['root', 'command:skopeo', 'command:zstd'], 'copy', () => {
  it('goes from any place to any other, and says what the destination has', async () => {
    const at = (name: string): string => tools.scratch.path(name);
    expect(await cli.run(['copy', 'app:1', `oci:${at('lay')}:v1`])).toBe(digest);
    expect(await cli.run(['copy', `oci:${at('lay')}:v1`, `oci-archive:${at('a.tar')}:v1`])).toBe(digest);
    const config = await tools.skopeo(['inspect', '--config', '--raw', `oci-archive:${at('a.tar')}:v1`]);
    expect(config).toContain('"architecture"');
    const packed = await cli.run(['copy', '--compression', 'zstd', 'app:1', `oci:${at('lay')}:zstd`]);
    expect(packed).not.toBe(digest);
    expect(await cli.run(['copy', '--compression', 'none', `oci:${at('lay')}:zstd`, 'back'])).toBe(digest);
    const [one] = (await listOf('back')).manifests;
    const single = await cli.run([
      'copy',
      '--platform',
      'amd64',
      'app:1',
      `docker-archive:${at('d.tar')}:x/y:2`,
    ]);
    expect(single).toBe(one!.digest);
    expect(await cli.run(['load', '-i', `docker-archive:${at('d.tar')}`])).toBe(`docker.io/x/y:2 ${single}`);
  });

  it.each([
    [['copy', 'app:1', 'docker-archive:/dev/null'], 2, 'linux/amd64, linux/arm64'],
    [['copy', 'app:1', 'docker-daemon:x'], 2, 'known are store:NAME'],
    [['copy', '--compression-level', '3', 'app:1', 'dir:x'], 2, 'needs --compression'],
    [['copy', '--compression', 'gzip', '--compression-level', '12', 'app:1', 'dir:x'], 2, 'levels 1 to 9'],
    [['copy', '--force-compression', 'app:1', 'dir:x'], 2, 'needs --compression'],
    [['copy', '--all', '--platform', 'arm64', 'app:1', 'dir:x'], 2, 'contradict'],
    [['copy', '--platform', 'riscv64', 'app:1', 'dir:x'], 1, 'it exists for linux/amd64, linux/arm64'],
    [['copy', 'oci:/nonexistent:1', 'x'], 1, 'oci-layout is missing'],
    [['--offline', 'copy', 'app:1', 'docker://localhost:1/x'], 1, 'OFFLINE'],
    [['merge', 'app:1', 'app:1'], 2, 'name the result with -t'],
  ] as const)('%j ends with %i: %s', async (args, status, words) => {
    const outcome = await cli.call(args);
    expect([outcome.status, outcome.stdout]).toEqual([status, '']);
    expect(outcome.stderr).toContain(words);
  });
});

describeWith(['root', 'command:zstd'], 'save and load', () => {
  it('of what sealer v0.11 has, of standard input, packed', async () => {
    const path = cli.scratch.path('sealer.tar');
    await cli.run(['save', '--format', 'sealer-v0.11', '-o', path, 'app:1']);
    const packed = execFileSync('zstd', ['-c', path]);
    await using other = await openCli();
    expect(await other.run(['load', '-i', '-'], { input: packed })).toBe(`${NAME} ${digest}`);
    await other.run(['verify', 'app:1']);
  });

  it('holds images of several places at once', async () => {
    const place = `oci:${cli.scratch.path('second')}:v2`;
    await cli.run(['copy', '--compression', 'gzip', 'app:1', place]);
    const path = cli.scratch.path('both.tar');
    await cli.run(['save', '-o', path, 'app:1', place]);
    const index = JSON.parse(execFileSync('tar', ['-xOf', path, 'index.json']).toString('utf8')) as Index;
    expect(index.manifests).toHaveLength(2);
    expect(readFileSync(path).length).toBeGreaterThan(1000);
  });
});

describe('manifest', () => {
  it('makes a list of images, changes it, and sends it', async () => {
    const s390x = await buildScratch('s390:1', 'linux/s390x', 'two');
    await cli.run(['manifest', 'create', 'list', 's390:1']);
    const twice = await cli.call(['manifest', 'create', 'list', 's390:1']);
    expect([twice.status, twice.stderr]).toEqual([2, expect.stringContaining('--amend') as unknown]);
    const several = await cli.call(['manifest', 'add', 'list', 'app:1']);
    expect([several.status, several.stderr]).toEqual([2, expect.stringContaining('--all') as unknown]);
    await cli.run(['manifest', 'create', '--amend', '--all', 'list', 'app:1']);
    await cli.run(['manifest', 'annotate', '--variant', 'v9', '--annotation', 'k=v', 'list', 'linux/arm64']);
    await cli.run(['manifest', 'remove', 'list', 'linux/amd64']);
    const { manifests } = await listOf('list');
    expect(manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 's390x', os: 'linux' },
      { architecture: 'arm64', os: 'linux', variant: 'v9' },
    ]);
    expect([manifests[0]!.digest, manifests[1]!.annotations]).toEqual([s390x, { k: 'v' }]);
    const pushed = await cli.run(['manifest', 'push', 'list', `oci:${cli.scratch.path('pushed')}:v1`]);
    expect(pushed).toBe((await find('docker.io/library/list:latest'))?.digest);
    expect(await find(null)).toBeUndefined(); // the lists in between are gone
  });
});

describeWith(['root', 'command:docker-registry', 'command:zstd'], 'a list', () => {
  const into = (list: string, platform: string): Promise<string> => {
    const args = ['--dialect', 'dockerfile', '--manifest', list];
    const kubefile = 'FROM scratch\nCOPY Kubefile /\n';
    return build(cli, 'part', { kubefile, platforms: ['--platform', platform], args }).then(
      (made) => made.digest,
    );
  };

  it('is made of builds, one after the other, and refuses an image of its name', async () => {
    const digests = [await into('parts', 'linux/amd64'), await into('parts', 'linux/s390x')];
    expect((await listOf('parts')).manifests.map((entry) => entry.digest)).toEqual(digests);
    const outcome = await cli.call(['build', '--manifest', 'part', cli.scratch.path('context')]);
    expect([outcome.status, outcome.stderr]).toEqual([2, expect.stringContaining('not a list') as unknown]);
  });

  it('goes to a registry in two compressions, of which the first that fits is pulled', async () => {
    await into('both', 'linux/amd64');
    await into('both', 'linux/arm64');
    const directory = tools.scratch.path('compressions');
    mkdirSync(directory);
    await using registry = await DockerRegistry.start(directory);
    const name = `${registry.host}/team/both:1`;
    const push = ['manifest', 'push', '--add-compression', 'zstd', 'both', name];
    const pushed = await cli.run(push);
    expect(await cli.run(push)).toBe(pushed);
    const { manifests } = await listOf(name);
    expect(manifests.map(({ platform, annotations }) => [platform['architecture'], annotations])).toEqual([
      ['amd64', undefined],
      ['arm64', undefined],
      ['amd64', { 'io.github.containers.compression.zstd': 'true' }],
      ['arm64', { 'io.github.containers.compression.zstd': 'true' }],
    ]);
    await using other = await openCli();
    await other.run(['pull', '--platform', 'linux/arm64', name]);
    const { platforms } = JSON.parse(await other.run(['inspect', name])) as {
      platforms: { digest: string; manifest: { layers: { mediaType: string }[] } }[];
    };
    expect(platforms.map((each) => each.digest)).toEqual([manifests[1]!.digest]);
    expect(platforms[0]!.manifest.layers[0]!.mediaType).toContain('gzip');
    const single = await cli.call(['push', '--add-compression', 'zstd', 's390:1', name]);
    expect([single.status, single.stderr]).toEqual([
      2,
      expect.stringContaining('manifest create') as unknown,
    ]);
    const unknown = await cli.call(['push', '--add-compression', 'xz', 'both', name]);
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining('gzip or zstd') as unknown]);
  });
});

describe('merge', () => {
  it('puts the layers of images one on the other, platform by platform', async () => {
    await buildScratch('app:2', 'linux/amd64,linux/arm64', 'three');
    const merged = await cli.run(['merge', 'app:1', 'app:2', 'app:1', '-t', 'merged']);
    expect((await listOf('merged')).manifests.map(({ platform }) => platform['architecture'])).toEqual([
      'amd64',
      'arm64',
    ]);
    const config = JSON.parse(
      await cli.run(['inspect', '--format', 'config', '--platform', 'arm64', 'merged']),
    ) as {
      config: { Env: string[]; Labels: object };
      rootfs: { diff_ids: string[] };
      history: object[];
    };
    expect(config.config).toMatchObject({ Labels: { one: 'yes', three: 'yes' } });
    expect(config.config.Env.slice(-2)).toEqual(['ONE=1', 'THREE=1']);
    expect(config.rootfs.diff_ids).toHaveLength(2);
    expect(await cli.run(['verify', 'merged'])).toBe(`docker.io/library/merged:latest ${merged} ok`);
    const odd = await cli.call(['merge', 'app:1', 's390:1', '-t', 'x']);
    expect([odd.status, odd.stderr]).toEqual([2, expect.stringContaining('linux/s390x') as unknown]);
  });

  it('keeps the annotations of all, but for what is not true of the result', async () => {
    const kubefile = 'FROM scratch\nLABEL x=y\n';
    const base = 'org.opencontainers.image.base.name';
    for (const [tag, ...annotations] of [
      ['low:1', 'a=low', 'b=low'],
      ['high:1', 'b=high', 'c=high', `${base}=r.example/other`],
    ] as const) {
      const args = ['--dialect', 'dockerfile', ...annotations.flatMap((each) => ['--annotation', each])];
      await build(cli, tag, { kubefile, args });
    }
    await cli.run(['merge', 'low:1', 'high:1', '-t', 'kept:1']);
    const manifest = JSON.parse(await cli.run(['inspect', '--format', 'manifest', 'kept:1'])) as {
      annotations: object;
    };
    expect(manifest.annotations).toEqual({ a: 'low', b: 'high', c: 'high' });
  });
});
