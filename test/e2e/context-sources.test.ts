/** Build contexts that are no directory: archives, stdin, URLs and git repositories, some of them made by an enemy. */
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { dirEntry, fileEntry, linkEntry, symlinkEntry, tarOf, type Entry } from '../layer/tar-fixtures.ts';
import { openCli, type CallOptions, type Cli, type Outcome } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { openUserCli } from '../support/ordinary-user.ts';
import { describeWith } from '../support/requires.ts';
import { STACK_TRACE, writeFiles } from './projects.ts';
import { readSaved, type LayerEntries } from './saved-image.ts';

let cli: Cli;
let server: Server;
let base: string;
const served = new Map<string, string | Buffer>();
const requests: string[] = [];

beforeAll(async () => {
  cli = await openCli();
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const content = served.get(request.url ?? '');
    if (request.url === '/stuck') response.write('FROM');
    else if (content === undefined) response.writeHead(404).end();
    else response.end(content);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await cli[Symbol.asyncDispose]();
});
afterEach(() => {
  expect(readdirSync(cli.temporary)).toEqual([]); // nothing of any context stays
});

const DOCKERFILE = 'FROM scratch\nCOPY . /o/\n';
const ENTRIES = [
  fileEntry('Dockerfile', DOCKERFILE),
  fileEntry('.dockerignore', 'Dockerfile\n.dockerignore\nleft-out\n'),
  fileEntry('left-out', 'X'),
  dirEntry('d', 0o750),
  fileEntry('d/a', 'A', { mode: 0o755, uid: 7, gid: 8 }),
  symlinkEntry('link', '/etc/passwd'),
  linkEntry('hard', 'd/a'),
];
const TAR = tarOf(ENTRIES);
const DEVICE: Entry = { path: 'sda', type: 'block', device: { major: 8, minor: 0 } };
const LAYER = {
  'o/': 'dir 0755 0:0',
  'o/d/': 'dir 0750 0:0',
  'o/d/a': 'file 0755 0:0 A',
  'o/hard': 'link 0755 0:0 -> o/d/a',
  'o/link': 'symlink 0777 0:0 -> /etc/passwd',
};

const build = (context: string, args: readonly string[] = [], options: CallOptions = {}): Promise<Outcome> =>
  cli.call(
    ['build', '--platform', 'linux/arm64', '-t', 'made', '--dialect', 'dockerfile', ...args, context],
    options,
  );

async function layerOf(
  context: string,
  args: readonly string[] = [],
  options: CallOptions = {},
): Promise<LayerEntries> {
  const { status, stderr } = await build(context, args, options);
  expect(status, stderr).toBe(0);
  return (await readSaved(cli, 'made')).layers[0] ?? {};
}

async function refusal(
  context: string,
  args: readonly string[] = [],
  options: CallOptions = {},
): Promise<string> {
  const { status, stderr } = await build(context, args, options);
  expect(stderr).not.toMatch(STACK_TRACE);
  return `${String(status)} ${stderr}`;
}

const hostile = (...entries: readonly Entry[]): { input: Buffer } => ({
  input: tarOf([fileEntry('Dockerfile', DOCKERFILE), ...entries]),
});

describeWith(['root'], 'an archive as build context', () => {
  it('comes on stdin, compressed or not, from a file or from a server, and is the same everywhere', async () => {
    expect(await layerOf('-', [], { input: TAR })).toEqual(LAYER);
    expect(await layerOf('-', ['--no-cache'], { input: gzipSync(TAR) })).toEqual(LAYER);
    expect(await layerOf(await cli.scratch.write('context.tar', TAR), ['--no-cache'])).toEqual(LAYER);
    served.set('/context', gzipSync(TAR));
    expect(await layerOf(`${base}/context`, ['--no-cache'])).toEqual(LAYER);
    const { stderr } = await build('-', [], { input: TAR });
    expect(stderr).toContain('cached COPY . /o/'); // by content, wherever it was unpacked
  });

  it('has its Kubefile inside, where -f says, or elsewhere', async () => {
    const input = tarOf([fileEntry('sub/File', 'FROM scratch\nCOPY f /f\n'), fileEntry('f', 'F')]);
    expect(await layerOf('-', ['-f', 'sub/File'], { input })).toEqual({ f: 'file 0644 0:0 F' });
    const outside = await cli.scratch.write('Outside', 'FROM scratch\nCOPY f /g\n');
    expect(await layerOf('-', ['-f', outside], { input })).toEqual({ g: 'file 0644 0:0 F' });
    expect(await refusal('-', [], { input })).toMatch(
      /^1 error\[KUBEFILE_NOT_FOUND\] the build context has no Kubefile/,
    );
    expect(await refusal('-', ['-f', 'nope'], { input })).toMatch(/the build context has no nope/);
    expect(await refusal('-', ['-f', '-'], { input })).toMatch(/^2 .*cannot both come on stdin/);
  });

  it('has an ignore file beside its Kubefile, or the one of the command line', async () => {
    const input = tarOf([
      fileEntry('k/File', DOCKERFILE),
      fileEntry('k/File.dockerignore', 'k\n.dockerignore'),
      fileEntry('.dockerignore', 'f\nk'),
      fileEntry('f', 'F'),
    ]);
    expect(Object.keys(await layerOf('-', ['-f', 'k/File'], { input }))).toEqual(['o/', 'o/f']);
    const mine = await cli.scratch.write('mine', 'k\nf\n');
    const layer = await layerOf('-', ['-f', 'k/File', '--ignorefile', mine], { input });
    expect(Object.keys(layer)).toEqual(['o/', 'o/.dockerignore']);
  });

  it('names places in its Kubefile as the archive does', async () => {
    const input = tarOf([fileEntry('sub/Dockerfile', 'FROM scratch\nCOPPY a b\n')]);
    expect(await refusal('-', ['-f', 'sub/Dockerfile'], { input })).toMatch(/^1 .*sub\/Dockerfile:2:1/);
  });

  it('is read by --plan and --check, too, without root', async () => {
    const path = await cli.scratch.write('checked.tar', TAR);
    const plan = await cli.run(['build', '--plan', '--platform', 'linux/arm64', path]);
    expect(plan).toContain('COPY . /o/');
    await using user = await openUserCli({ subordinateIds: 65_536 });
    const { status, stderr } = await user.call(['build', '--check', '-'], { input: TAR });
    expect([status, stderr]).toEqual([0, 'Dockerfile as dockerfile: nothing found\n']);
  });

  it.each([
    [
      'names that climb',
      [fileEntry('../../up', 'U'), fileEntry('/abs', 'B')],
      ['o/', 'o/Dockerfile', 'o/abs', 'o/up'],
    ],
    ['devices, which are left out', [DEVICE], ['o/', 'o/Dockerfile']],
  ])('keeps %s inside', async (_what, entries, names) => {
    expect(Object.keys(await layerOf('-', ['--no-cache'], hostile(...entries)))).toEqual(names);
    expect(existsSync('/up')).toBe(false);
  });

  it.each([
    [
      'a way through a symlink',
      [symlinkEntry('out', '/tmp'), fileEntry('out/../../x', 'X')],
      /Dockerfile|COPY/,
    ],
    ['a hard link to a file of the host', [linkEntry('passwd', '../../etc/passwd')], /outside the archive/],
    ['a link to what is not there', [linkEntry('passwd', '/etc/passwd')], /cannot link to \/etc\/passwd/],
    ['a symlink as its root', [symlinkEntry('.', '/etc')], /root is a symlink/],
  ])('is refused, or harmless: %s', async (_what, entries, message) => {
    const text = await refusal('-', ['--no-cache'], hostile(...entries));
    expect(text).toMatch(message);
    expect(existsSync('/tmp/x')).toBe(false);
  });

  it('gives no file of the host as Kubefile or as ignore file', async () => {
    const secret = await cli.scratch.write('secret', 'FROM scratch\nLABEL stolen=yes\n');
    const kubefile = { input: tarOf([symlinkEntry('Dockerfile', secret)]) };
    expect(await refusal('-', [], kubefile)).toMatch(/^1 error\[KUBEFILE_NOT_FOUND\]/);
    const ignoring = {
      input: tarOf([fileEntry('Dockerfile', DOCKERFILE), symlinkEntry('.dockerignore', secret)]),
    };
    const names = Object.keys(await layerOf('-', ['--no-cache'], ignoring));
    expect(names).toEqual(['o/', 'o/.dockerignore', 'o/Dockerfile']);
  });

  it.each([
    ['nothing', '', /stdin is empty/],
    ['garbage', Buffer.from([1, 0, 2, 3, 255]), /stdin is no directory and no tar archive/],
    ['half an archive', TAR.subarray(0, 1500), /cannot unpack stdin: the archive ends in the middle/],
    ['half a gzip', gzipSync(TAR).subarray(0, 200), /stdin/],
  ])('is refused: %s', async (_what, input, message) => {
    expect(await refusal('-', [], { input })).toMatch(message);
  });

  it('is gone when the build is killed while it comes', async () => {
    const killed = await build(`${base}/stuck`, [], {
      interrupt: { signal: 'SIGKILL', when: 'downloading' },
    });
    expect(killed.signal).toBe('SIGKILL');
    await expect.poll(() => readdirSync(cli.temporary)).toEqual([]);
  });
});

describeWith(['root'], 'an archive as named context', () => {
  const FILES = { Dockerfile: 'FROM scratch\nCOPY --from=src . /o/\n' };
  const own = async (): Promise<string> => {
    await writeFiles(cli.scratch.path('own'), FILES);
    return cli.scratch.path('own');
  };
  const named = (word: string, ...more: readonly string[]): string[] => [
    '--build-context',
    `src=${word}`,
    ...more,
  ];

  it('is unpacked from a file or from a server, and is the same as the build context would be', async () => {
    const file = await cli.scratch.write('named.tar', TAR);
    expect(await layerOf(await own(), named(file))).toEqual(LAYER);
    served.set('/named', gzipSync(TAR));
    expect(await layerOf(await own(), named(`${base}/named`, '--no-cache'))).toEqual(LAYER);
    expect((await build(await own(), named(`${base}/named`))).stderr).toContain('cached COPY');
    const begin = await cli.scratch.write('from/Dockerfile', 'FROM src\n');
    expect(await layerOf(await own(), named(file, '-f', begin))).toMatchObject({ 'd/a': 'file 0755 0:0 A' });
    expect((await build(await own(), named(file, '--plan'))).stdout).toContain('hit      2: COPY --from=src');
    const check = await cli.call(['build', '--check', ...named(file), await own()]);
    expect(check.stderr).toContain('nothing found');
  });

  it('is excluded from by no file of the host', async () => {
    const secret = await cli.scratch.write('words', 'f\n');
    const tar = tarOf([fileEntry('f', 'F'), symlinkEntry('.dockerignore', secret)]);
    expect(await layerOf(await own(), named(await cli.scratch.write('linked.tar', tar)))).toMatchObject({
      'o/f': 'file 0644 0:0 F',
    });
  });

  it('is refused when it is none, when it is not there, and by --offline', async () => {
    served.set('/text', 'FROM scratch\n');
    expect(await refusal(await own(), named(`${base}/text`))).toMatch(
      /^1 .*error\[CONTEXT\] .*no tar archive/s,
    );
    expect(await refusal(await own(), named(`${base}/nope`))).toMatch(/^1 .*answers 404 for \/nope/s);
    requests.length = 0;
    expect(await refusal(await own(), named(`${base}/named`, '--offline'))).toMatch(/^1 error\[OFFLINE\]/);
    expect(requests).toEqual([]);
  });
});

describeWith(['root'], 'a Kubefile without a context', () => {
  it('comes on stdin or from a server', async () => {
    const input = 'FROM scratch\nCOPY <<EOF /f\nF\nEOF\n';
    expect(await layerOf('-', [], { input })).toEqual({ f: 'file 0644 0:0 F' });
    served.set('/Dockerfile', 'FROM scratch\nCOPY <<EOF /g\nG\nEOF\n');
    expect(await layerOf(`${base}/Dockerfile`)).toEqual({ g: 'file 0644 0:0 G' });
    expect(await refusal(`${base}/Dockerfile`, ['-f', 'other'])).toMatch(/^2 .*is a Kubefile itself/s);
    expect(await refusal('-', [], { input: DOCKERFILE.replace('.', 'a') })).toMatch(
      /stdin:2:1.*"\/a": not found/s,
    );
  });

  it('is not looked for in a local file that is no archive', async () => {
    const path = await cli.scratch.write('Lonely', DOCKERFILE);
    expect(await refusal(path)).toMatch(/no directory and no tar archive\nhint: name a Kubefile with -f/);
  });

  it('is refused when the server does not have it, and by --offline', async () => {
    expect(await refusal(`${base}/nope`)).toMatch(/^1 .*answers 404 for \/nope/s);
    requests.length = 0;
    expect(await refusal(`${base}/Dockerfile`, ['--offline'])).toMatch(
      /^1 error\[OFFLINE\] the build context http/,
    );
    expect(await refusal('https://x.test/a.git', ['--offline'])).toMatch(/^1 error\[OFFLINE\]/);
    expect(requests).toEqual([]);
  });
});

describeWith(['root', 'command:git'], 'a git repository as build context', () => {
  let url: string;

  beforeAll(async () => {
    await writeFiles(cli.scratch.path('work'), {
      Dockerfile: DOCKERFILE,
      '.dockerignore': 'Dockerfile\n.dockerignore\nsub\n',
      f: 'one',
      'sub/Dockerfile': 'FROM scratch\nCOPY g /\n',
      'sub/g': 'G',
    });
    await runTool('sh', ['-euc', REPOSITORY], { cwd: cli.scratch.directory });
    url = `file://${cli.scratch.path('repo.git')}`;
  });

  const REPOSITORY = `export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1
git -c init.defaultBranch=main init -q work && cd work && git config user.name n && git config user.email e
git add . && git commit -qm one && git tag v1 && echo two > f && git commit -qam two
cd .. && git clone -q --bare work repo.git`;

  it('is the files of a branch, a tag, or a directory of them, even offline when it is here', async () => {
    expect(await layerOf(url, ['--offline'])).toEqual({ 'o/': 'dir 0755 0:0', 'o/f': 'file 0644 0:0 two' });
    expect(await layerOf(`${url}#v1`)).toEqual({ 'o/': 'dir 0755 0:0', 'o/f': 'file 0644 0:0 one' });
    expect(await layerOf(`${url}#main:sub`)).toEqual({ g: 'file 0644 0:0 G' });
    expect(await layerOf(`${url}#main:../../sub`)).toEqual({ g: 'file 0644 0:0 G' });
    expect(await refusal(url, ['-f', 'sub/Dockerfile'])).toMatch(/sub\/Dockerfile:2:1.*"\/g": not found/s);
  });

  it('may be a named one', async () => {
    const kubefile = await cli.scratch.write('Named', 'FROM scratch\nCOPY --from=src . /o/\n');
    const args = ['--offline', '-f', kubefile, '--build-context'];
    const named = (source: string): Promise<LayerEntries> =>
      layerOf(cli.scratch.directory, [...args, `src=${source}`]);
    expect(await named(`${url}#v1`)).toEqual({ 'o/': 'dir 0755 0:0', 'o/f': 'file 0644 0:0 one' });
    expect(await named(`${url}#main:sub`)).toEqual({
      'o/': 'dir 0755 0:0',
      'o/Dockerfile': 'file 0644 0:0 FROM scratch\nCOPY g /',
      'o/g': 'file 0644 0:0 G',
    });
  });

  it('has .git when it is asked for', async () => {
    const layer = await layerOf(url, ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1']);
    expect(Object.keys(layer)).toContain('o/.git/HEAD');
  });

  it.each([
    ['a reference that is not there', '#nope', /no branch or tag "nope"/],
    ['a directory that is not there', '#main:nope', /has no directory nope/],
    ['a file as directory', '#main:f', /has no directory f/],
  ])('is refused: %s', async (_what, fragment, message) => {
    expect(await refusal(`${url}${fragment}`)).toMatch(message);
  });
});
