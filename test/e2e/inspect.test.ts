/** `inspect` and `history` of images outside the store: they say what they say of the same image inside. */
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { build } from './projects.ts';

const KUBEFILE = 'FROM scratch\nCOPY hello /hello\nLABEL a=b\nCMD ["/hello"]\n';
const ARM = ['--platform', 'linux/arm64'];
const ABOUT = [
  ['inspect', '--format', 'index'],
  ['inspect', '--format', 'config', ...ARM],
  ['inspect', '--format', 'manifest', ...ARM],
  ['inspect', '--raw'],
  ['inspect', '--raw', ...ARM],
  ['history', '--json', ...ARM],
];
const TOOLS = ['command:docker-registry', 'command:skopeo'] as const;

let cli: Cli;
/** Its store has nothing of the image. */
let other: Cli;
let tools: ForeignTools;
let registry: DockerRegistry;

/** What is said of `two:v1` in its store, asked once. */
const answers = new Map<string, Promise<string>>();
function inside(...args: readonly string[]): Promise<string> {
  const key = args.join(' ');
  const answer = answers.get(key) ?? cli.run([...args, 'two:v1']);
  answers.set(key, answer);
  return answer;
}

/** Places of `two:v1`, and whether the image has its name there. */
const PLACES: readonly [kind: string, place: () => string, name: string | null][] = [
  ['oci', () => `oci:${other.scratch.path('layout')}:v1`, null],
  ['oci-archive', () => `oci-archive:${other.scratch.path('oci.tar')}:two:v1`, 'docker.io/library/two:v1'],
  ['dir', () => `dir:${other.scratch.path('flat')}`, null],
  ['docker', () => `docker://${registry.host}/team/two:v1`, '/team/two:v1'],
];

beforeAll(async () => {
  cli = await openCli();
  other = await openCli();
  tools = await openForeignTools();
  registry = await DockerRegistry.start(other.scratch.path('serve'));
  const platforms = ['--platform', 'linux/amd64,linux/arm64'];
  const args = ['--dialect', 'dockerfile'];
  await build(cli, 'plain', { kubefile: KUBEFILE, files: { hello: 'hello\n' }, platforms, args });
  // Packed, so that it goes to a registry as it is.
  await cli.run(['copy', '--compression', 'gzip', 'plain', 'store:two:v1']);
  for (const [, place] of PLACES) await cli.run(['copy', 'two:v1', place()]);
  const cache = `type=registry,ref=${registry.host}/team/artifact:1`;
  await build(cli, 'plain', {
    kubefile: KUBEFILE,
    files: { hello: 'hello\n' },
    args: [...args, '--cache-to', cache],
  });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await tools[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

describeWith(['root', ...TOOLS], 'an image elsewhere', () => {
  it.each(PLACES)('in %s: is told as in the store', async (_kind, placeOf, name) => {
    const place = placeOf();
    const stored = JSON.parse(await inside('inspect')) as object;
    const found = JSON.parse(await other.run(['inspect', place])) as { name: string | null };
    expect({ ...found, name: '' }).toEqual({ ...stored, name: '' });
    if (name === null) expect(found.name).toBeNull();
    else expect(found.name).toMatch(new RegExp(`${name}$`));
    for (const about of ABOUT) expect(await other.run([...about, place])).toBe(await inside(...about));
  });

  it.each(PLACES)('in %s: has the documents of sealer', async (_kind, placeOf) => {
    const sealer = ['inspect', '--format', 'sealer', ...ARM];
    const layers = (text: string): string[] => /layers:[^]*/.exec(text)?.[0].match(/sha256:\w+/g) ?? [];
    const found = layers(await other.run([...sealer, placeOf()]));
    expect(found).toEqual(layers(await inside(...sealer)));
    expect(found).toHaveLength(1);
  });

  it('is what skopeo says it is, a platform of it too', async () => {
    const [, layout] = PLACES[0]!;
    const [, repository] = PLACES[3]!;
    expect(await other.run(['inspect', '--raw', repository()])).toBe(
      await tools.skopeo(['inspect', '--raw', '--tls-verify=false', repository()]),
    );
    const config = ['--override-arch', 'arm64', 'inspect', '--config', '--raw', layout()];
    expect(JSON.parse(await other.run(['inspect', '--format', 'config', ...ARM, layout()]))).toEqual(
      JSON.parse(await tools.skopeo(config)),
    );
  });

  it('in an archive of docker: is the platform that was put there, which a name is not needed for', async () => {
    const place = `docker-archive:${other.scratch.path('docker.tar')}`;
    await cli.run(['copy', ...ARM, 'plain', `${place}:team/arm:v1`]);
    const { name, platforms } = JSON.parse(await other.run(['inspect', place])) as {
      name: string;
      platforms: { platform: string }[];
    };
    expect([name, platforms.map(({ platform }) => platform)]).toEqual([
      'docker.io/team/arm:v1',
      ['linux/arm64'],
    ]);
    expect(await other.run(['inspect', '--format', 'config', place])).toBe(
      await cli.run(['inspect', '--format', 'config', ...ARM, 'plain']),
    );
  });

  it('of which a place has a part says which', async () => {
    const place = `dir:${other.scratch.path('part')}`;
    const partial = await openCli();
    await using _ = partial;
    await partial.run(['pull', ...ARM, PLACES[3]![1]()]);
    await partial.run(['copy', `${registry.host}/team/two:v1`, place]);
    expect(JSON.parse(await other.run(['inspect', place]))).toMatchObject({
      partial: true,
      absent: ['linux/amd64'],
      platforms: [{ platform: 'linux/arm64' }],
    });
  });

  it.each([
    [
      'another platform',
      () => [...['--platform', 'linux/s390x'], PLACES[2]![1]()],
      1,
      /for linux\/amd64, linux\/arm64/,
    ],
    ['no platform of two', () => ['--format', 'config', PLACES[0]![1]()], 1, /choose one with --platform/],
    ['another tag', () => [`oci:${other.scratch.path('layout')}:v2`], 1, /there are v1/],
    ['a place of others', () => ['docker-daemon:two:v1'], 2, /known are store:NAME/],
    ['a file without a word in front', () => [other.scratch.path('oci.tar')], 1, /hint: .* oci-archive:\//],
    ['a directory without one', () => [other.scratch.path('layout')], 1, /hint: .* oci:\//],
    [
      'an artifact',
      () => [`docker://${registry.host}/team/artifact:1`],
      1,
      /not an image: .*hint: `inspect --raw`/s,
    ],
    ['a registry, offline', () => ['--offline', PLACES[3]![1]()], 1, /OFFLINE/],
  ])('asked for %s is refused, with what there is', async (_what, args, status, text) => {
    const [first = '', ...rest] = args();
    const words = first === '--offline' ? [first, 'inspect', ...rest] : ['inspect', first, ...rest];
    const outcome = await other.call(words);
    expect(outcome).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(text) as string });
  });

  it('is chosen by a name where there are several', async () => {
    const layout = `oci:${other.scratch.path('several')}`;
    await cli.run(['copy', 'two:v1', `${layout}:two`]);
    await cli.run(['copy', ...ARM, 'two:v1', `${layout}:arm`]);
    const refused = await other.call(['inspect', layout]);
    expect(refused).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/choose one of two, arm/) as string,
    });
    expect(await other.run(['inspect', '--raw', `${layout}:arm`])).toBe(
      await cli.run(['inspect', '--raw', ...ARM, 'two:v1']),
    );
  });

  it('leaves nothing in the store that was asked', async () => {
    expect(await other.run(['images', '-q'])).toBe('');
    for (const folder of ['blobs', 'snapshots', 'tmp'])
      expect([folder, await readdir(`${other.root}/${folder}`).catch(() => [])]).toEqual([folder, []]);
  });
});
