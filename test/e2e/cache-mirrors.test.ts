/** `--cache-from` a registry goes where pulls go: to mirrors first, past those that are empty or lie. */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { FakeRegistry, type Behaviour } from '../transfer/fake-registry.ts';
import { build, cachedSteps } from './projects.ts';

/** Larger than what is looked at before anybody gets it. */
const SIZE = 3 << 20;
const PROJECT = {
  kubefile: 'FROM scratch\nCOPY large /large\nLABEL a=b\nCOPY small /small\n',
  files: { large: randomBytes(SIZE), small: 'small\n' },
  platforms: ['--platform', 'linux/arm64'],
};
const ARGS = ['--dialect', 'dockerfile', '--source-date-epoch', '1'];
const STEPS = 3;
const KINDS = ['none', 'gzip', 'zstd'] as const;
type Kind = (typeof KINDS)[number];

let cli: Cli;
let main: DockerRegistry;
let mirror: FakeRegistry;
let digest: string;

const cacheTo = (host: string, kind: Kind): string[] => {
  const packing = kind === 'none' ? '' : `,compression=${kind}`;
  return ['--cache-to', `type=registry,ref=${host}/team/cache:${kind}${packing}`];
};

beforeAll(async () => {
  cli = await openCli();
  main = await DockerRegistry.start(cli.scratch.path('.'));
  mirror = await FakeRegistry.start();
  for (const kind of KINDS) {
    const args = [...ARGS, ...cacheTo(main.host, kind), ...cacheTo(mirror.host, kind)];
    ({ digest } = await build(cli, 'app', { ...PROJECT, args }));
  }
});
afterEach(() => {
  mirror.behaviours.length = 0;
  mirror.requests.length = 0;
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  await main[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

/** In a new store, where `cache.test` is at a location that has a mirror. */
async function buildFrom(kind: Kind, location: string, mirrors = [mirror.host]): Promise<string> {
  await using other = await openCli();
  const conf = [`[[registry]]\nprefix = "cache.test"\nlocation = "${location}"\n`]
    .concat(mirrors.map((host) => `[[registry.mirror]]\nlocation = "${host}"\n`))
    .join('');
  const env = { CONTAINERS_REGISTRIES_CONF: await other.scratch.write('registries.conf', conf) };
  const args = [...ARGS, '--cache-from', `type=registry,ref=cache.test/team/cache:${kind}`];
  const built = await build(other, 'app', { ...PROJECT, args, env });
  expect(built.digest).toBe(digest);
  return built.log;
}

/** Of every large blob something else of the same length. */
const insteadOfLarge =
  (bytesOf: (size: number) => Buffer): Behaviour =>
  ({ url = '' }, response, { content }) => {
    const size = content.blobs.get(url.split('/').at(-1) ?? '')?.length ?? 0;
    if (size < SIZE / 2) return false;
    response.writeHead(200, { 'content-length': size }).end(bytesOf(size));
    return true;
  };
const filled = (start: Buffer, size: number): Buffer =>
  Buffer.concat([start, randomBytes(size)]).subarray(0, size);

describeWith(['root', 'command:docker-registry'], 'a cache of a registry that has a mirror', () => {
  it('is brought from the mirror, though the registry is away', async () => {
    const log = await buildFrom('none', '127.0.0.1:1');
    expect(cachedSteps(log)).toHaveLength(STEPS);
    expect(log).not.toContain('warning');
  });

  it('is brought from the registry where the mirror lacks it', async () => {
    await using empty = await FakeRegistry.start();
    const log = await buildFrom('none', main.host, [empty.host]);
    expect(cachedSteps(log)).toHaveLength(STEPS);
    expect(empty.asked('/team/cache/')).not.toEqual([]);
    expect(mirror.requests).toEqual([]);
  });

  it.each<[string, Kind, (size: number) => Buffer]>([
    ['other bytes', 'none', (size) => randomBytes(size)],
    ['other bytes for what is packed', 'gzip', (size) => randomBytes(size)],
    ['a broken gzip', 'gzip', (size) => filled(gzipSync('x').subarray(0, 10), size)],
    ['another gzip', 'gzip', (size) => filled(gzipSync(Buffer.alloc(64)), size)],
    ['a broken zstd', 'zstd', (size) => filled(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), size)],
  ])('is brought from the registry where the mirror sends %s', async (_what, kind, bytesOf) => {
    mirror.behaviours.push(insteadOfLarge(bytesOf));
    const log = await buildFrom(kind, main.host);
    expect(cachedSteps(log)).toHaveLength(STEPS);
    expect(log.match(/^warning: .*/gm)).toEqual([
      expect.stringMatching(
        new RegExp(
          `^warning: the mirror ${mirror.host}/team/cache sends something wrong: .*asking ${main.host}/`,
        ),
      ) as string,
    ]);
  });

  it('that sends something wrong itself, too, is of no use, and who is wrong is said', async () => {
    await using liar = await FakeRegistry.start();
    for (const [digestOf, bytes] of mirror.content.blobs) liar.content.blobs.set(digestOf, bytes);
    for (const [tag, root] of mirror.tags) liar.tags.set(tag, root);
    for (const registry of [mirror, liar])
      registry.behaviours.push(insteadOfLarge((size) => randomBytes(size)));
    const log = await buildFrom('gzip', liar.host);
    expect(cachedSteps(log)).toHaveLength(STEPS - 1);
    expect(log).toMatch(
      new RegExp(
        `warning: the cache cache\\.test.* is of no use here: none of the 2 places .*; ${mirror.host}.*; ${liar.host}`,
      ),
    );
  });
});
