/** Images that go from a registry straight into an archive: its mirrors may lie, and nothing of that gets into the archive. */
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { FakeRegistry, type Behaviour } from '../transfer/fake-registry.ts';
import { build } from './projects.ts';
import { PROGRAM } from './terminal.ts';

/** Larger than what is held in memory. */
const SIZE = 3 << 20;
const NAME = 'docker://images.test/team/app:1';
const ARM = ['--platform', 'linux/arm64'];

let cli: Cli;
let main: DockerRegistry;
let mirror: FakeRegistry;

beforeAll(async () => {
  cli = await openCli();
  main = await DockerRegistry.start(cli.scratch.path('.'));
  mirror = await FakeRegistry.start();
  await build(cli, 'app:1', {
    kubefile: 'FROM scratch\nCOPY large /large\nCOPY small /small\n',
    files: { large: randomBytes(SIZE), small: 'small\n' },
    platforms: ['--platform', 'linux/arm64,linux/amd64'],
    args: ['--dialect', 'dockerfile'],
  });
  for (const { host } of [main, mirror]) await cli.run(['push', 'app:1', `${host}/team/app:1`]);
});
afterEach(() => {
  mirror.behaviours.length = 0;
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  await main[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
});

/** Of every large blob something else of the same length. */
const lie: Behaviour = ({ url = '' }, response, { content }) => {
  const size = content.blobs.get(url.split('/').at(-1) ?? '')?.length ?? 0;
  if (size < SIZE / 2) return false;
  response.writeHead(200, { 'content-length': size }).end(randomBytes(size));
  return true;
};

/** As environment: `images.test` is at `location`, with these mirrors. */
async function routed(
  of: Cli,
  location: string,
  mirrors: readonly string[],
): Promise<Record<string, string>> {
  const conf = [`[[registry]]\nprefix = "images.test"\nlocation = "${location}"\n`]
    .concat(mirrors.map((host) => `[[registry.mirror]]\nlocation = "${host}"\n`))
    .join('');
  const path = await of.scratch.write('registries.conf', conf);
  return { CONTAINERS_REGISTRIES_CONF: path };
}

/** What makes `file` of the image in a store of its own. */
const WAYS: readonly [string, (file: string) => string[]][] = [
  ['an archive of OCI', (file) => ['copy', NAME, `oci-archive:${file}`]],
  ['an archive of docker', (file) => ['copy', ...ARM, NAME, `docker-archive:${file}:app:1`]],
  ['what save writes', (file) => ['save', '-o', file, NAME]],
  ['what save writes for sealer', (file) => ['save', '--format', 'sealer-v0.11', '-o', file, NAME]],
  ['another compression', (file) => ['copy', '--compression', 'zstd', NAME, `oci-archive:${file}`]],
  ['no compression', (file) => ['copy', '--compression', 'none', NAME, `oci-archive:${file}`]],
];

const LIAR = /^warning: the mirror \S+ sends something wrong: .*/gm;

describeWith(
  ['root', 'command:docker-registry'],
  'a mirror that sends something else of the same length',
  () => {
    it.each(WAYS)(
      'is passed over on the way to %s, which is the same as without it',
      async (_what, argsOf) => {
        await using other = await openCli();
        const [right, file] = [other.scratch.path('right.tar'), other.scratch.path('it.tar')];
        await other.run(argsOf(right), { env: await routed(other, main.host, []) });
        mirror.behaviours.push(lie);
        await using fresh = await openCli(); // knows nothing of how layers are packed
        const env = await routed(fresh, main.host, [mirror.host]);
        const { status, stderr } = await fresh.call(argsOf(file), { env });
        expect([status, stderr.match(LIAR)?.length]).toEqual([0, 1]);
        expect(stderr).toContain(`the mirror ${mirror.host}/team/app sends`);
        expect((await readFile(file)).equals(await readFile(right))).toBe(true);
        expect(await readdir(`${fresh.root}/tmp`)).toEqual([]);
      },
    );

    it('is passed over on the way through a pipe, where nothing can be taken back', async () => {
      await using other = await openCli();
      const env = await routed(other, main.host, [mirror.host]);
      mirror.behaviours.push(lie);
      const path = other.scratch.path('piped.tar');
      const child = spawn(process.execPath, [PROGRAM, 'save', NAME], {
        env: { ...process.env, ...env, ARCH_BUILD_ROOT: other.root },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const closed = once(child, 'close');
      await pipeline(child.stdout, createWriteStream(path));
      expect(await closed).toEqual([0, null]);
      expect(await other.run(['verify', path])).toContain('ok');
    });

    it.each([
      ['a layout', (path: string) => `oci:${path}:1`],
      ['a directory', (path: string) => `dir:${path}`],
    ])('is passed over on the way to %s', async (_what, placeOf) => {
      await using other = await openCli();
      const path = other.scratch.path('it');
      const env = await routed(other, main.host, [mirror.host]);
      mirror.behaviours.push(lie);
      const { status, stderr } = await other.call(['copy', NAME, placeOf(path)], { env });
      expect([status, stderr.match(LIAR)?.length]).toEqual([0, 1]);
      expect(await other.run(['verify', placeOf(path).startsWith('dir:') ? `dir:${path}` : path])).toContain(
        'ok',
      );
    });

    it('is said with the others where all do, and there is no archive then', async () => {
      await using other = await openCli();
      await using liar = await FakeRegistry.start();
      for (const [digest, bytes] of mirror.content.blobs) liar.content.blobs.set(digest, bytes);
      for (const [tag, root] of mirror.tags) liar.tags.set(tag, root);
      for (const registry of [mirror, liar]) registry.behaviours.push(lie);
      const env = await routed(other, liar.host, [mirror.host]);
      const file = other.scratch.path('it.tar');
      const { status, stderr } = await other.call(['copy', NAME, `oci-archive:${file}`], { env });
      expect(status).toBe(1);
      expect(stderr).toContain('none of the 2 places has what was asked for');
      for (const { host } of [mirror, liar])
        expect(stderr).toMatch(new RegExp(`${host}/team/app: .*arrived as`));
      expect(existsSync(file)).toBe(false);
      expect(await readdir(`${other.root}/tmp`)).toEqual([]);
    });
  },
);
