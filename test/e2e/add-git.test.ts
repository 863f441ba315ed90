/** ADD of what is elsewhere: URLs, and git repositories from a server of plain files, and from git's own, which gives a part of the history. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { freePort } from '../support/free-port.ts';
import { describeWith } from '../support/requires.ts';
import { build, cachedSteps, STACK_TRACE, tryBuild } from './projects.ts';
import { readSaved } from './saved-image.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;
let server: Server;
let base: string;
const requests: string[] = [];

beforeAll(async () => {
  cli = await openCli();
  await mkdir(cli.scratch.path('served'));
  server = createHttpServer((request, response) => {
    const path = join(cli.scratch.path('served'), normalize(new URL(request.url ?? '/', base).pathname));
    requests.push(request.url ?? '');
    if (!existsSync(path)) return void response.writeHead(404).end();
    createReadStream(path).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  await shell(REPOSITORIES);
});
afterAll(async () => {
  server.close();
  await closeVerified(cli);
});

/** A commit of a fixed time with a tag, a later one on main, a branch of its own, a submodule. */
const REPOSITORIES = `
git init -q -b main lib && cd lib && echo L > l && git add . && git commit -qm lib && cd ..
git clone -q --bare lib served/lib.git && git -C served/lib.git update-server-info
git init -q -b main work && cd work
mkdir -p docs/deep && echo 1 > a && echo D > docs/deep/d && ln -s a link && echo '#!/bin/sh' > run && chmod 755 run
git add . && git commit -qm one && git tag -m tagged v1
echo 2 > a && git commit -qam two && git checkout -qb sub && git submodule --quiet add $BASE/lib.git lib && git commit -qm sub
git checkout -q main && cd .. && git clone -q --bare work served/repo.git && git -C served/repo.git update-server-info
`;

async function shell(script: string): Promise<string> {
  const git = `export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 BASE=${base} GIT_ALLOW_PROTOCOL=file:http:git
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e GIT_AUTHOR_DATE='1000000000 +0000' GIT_COMMITTER_DATE='1000000000 +0000'`;
  return runTool('sh', ['-euc', `${git}\numask 022; ${script}`], { cwd: cli.scratch.directory });
}

const commitOf = async (name: string): Promise<string> =>
  (await shell(`git -C work rev-parse '${name}^{commit}'`)).trim();

const ARGS = ['--dialect', 'dockerfile'];
const PLATFORMS = ['--platform', 'linux/arm64'];
let count = 0;
const add = (words: string, args: readonly string[] = []): ReturnType<typeof tryBuild> =>
  tryBuild(cli, `git:${String(++count)}`, {
    kubefile: `FROM scratch\nADD ${words}\n`,
    args: [...ARGS, ...args],
    platforms: PLATFORMS,
  });

async function added(words: string): Promise<Readonly<Record<string, string>>> {
  const { status, stderr } = await add(words);
  expect(status, stderr).toBe(0);
  return (await readSaved(cli, `git:${String(count)}`)).layers[0] ?? {};
}

const files = (a: string): Record<string, string> => ({
  'o/': 'dir 0755 0:0',
  'o/a': `file 0644 0:0 ${a}`,
  'o/docs/': 'dir 0755 0:0',
  'o/docs/deep/': 'dir 0755 0:0',
  'o/docs/deep/d': 'file 0644 0:0 D',
  'o/link': 'symlink 0777 0:0 -> a',
  'o/run': 'file 0755 0:0 #!/bin/sh',
});

describeWith(['root', 'command:git'], 'ADD of a git repository', () => {
  it('is the files of the default branch, a branch, a tag, a commit or a directory of them', async () => {
    expect(await added(`${base}/repo.git /o/`)).toEqual(files('2'));
    expect(await added(`${base}/repo.git#v1 /o`)).toEqual(files('1'));
    expect(await added(`${base}/repo.git#refs/heads/main /o`)).toEqual(files('2'));
    expect(await added(`${base}/repo.git#${await commitOf('v1')} /o`)).toEqual(files('1'));
    const directory = { 'o/': 'dir 0755 0:0', 'o/deep/': 'dir 0755 0:0', 'o/deep/d': 'file 0644 0:0 D' };
    expect(await added(`${base}/repo.git#main:docs /o`)).toEqual(directory);
  });

  it('brings submodules along, and .git only when it is asked for', async () => {
    expect(await added(`${base}/repo.git#sub /o`)).toEqual({
      ...files('2'),
      'o/.gitmodules': expect.stringContaining('file 0644 0:0 [submodule "lib"]') as string,
      'o/lib/': 'dir 0755 0:0',
      'o/lib/l': 'file 0644 0:0 L',
    });
    const kept = await added(`--keep-git-dir=true ${base}/repo.git#v1 /o`);
    expect(kept).toMatchObject(files('1'));
    expect(kept).toHaveProperty('o/.git/HEAD', `file 0644 0:0 ${await commitOf('v1')}`);
    expect(Object.keys(kept).filter((path) => path.includes('hooks'))).toEqual([]);
  });

  it('has an owner, a mode and names left out like any source', async () => {
    expect(await added(`--chown=7:8 --chmod=go= --exclude=docs --exclude=link ${base}/repo.git /o/`)).toEqual(
      {
        'o/': 'dir 0755 7:8',
        'o/a': 'file 0600 7:8 2',
        'o/run': 'file 0700 7:8 #!/bin/sh',
      },
    );
  });

  it('is a cache hit without a clone until the branch moves, and the same layer every time', async () => {
    const project = { kubefile: `FROM scratch\nADD ${base}/repo.git#main /o\n`, platforms: PLATFORMS };
    const dated = [...ARGS, '--source-date-epoch', '1500000000'];
    await build(cli, 'moving', { ...project, args: dated });
    const first = (await readSaved(cli, 'moving')).config.rootfs.diff_ids;
    requests.length = 0;
    const again = await build(cli, 'moving', { ...project, args: dated });
    expect(cachedSteps(again.log)).toHaveLength(1);
    expect(requests.filter((path) => path.includes('/objects/'))).toEqual([]);
    await build(cli, 'moving', { ...project, args: [...dated, '--no-cache'] });
    expect((await readSaved(cli, 'moving')).config.rootfs.diff_ids).toEqual(first);
    await shell(`cd work && echo 3 > a && git commit -qam three && git push -q ../served/repo.git main
git -C ../served/repo.git update-server-info; git reset -q --hard HEAD~1`);
    const moved = await build(cli, 'moving', { ...project, args: dated });
    expect(cachedSteps(moved.log)).toEqual([]);
    expect((await readSaved(cli, 'moving')).layers[0]).toEqual(files('3'));
  });

  it('comes from git’s own server, too', async () => {
    const port = await freePort();
    const served = cli.scratch.path('served');
    const words = ['daemon', '--export-all', '--reuseaddr', '--listen=127.0.0.1', `--port=${String(port)}`];
    const daemon = spawn('git', [...words, `--base-path=${served}`, '--log-destination=stderr', '--verbose']);
    try {
      await once(daemon.stderr, 'data');
      expect(await added(`git://127.0.0.1:${String(port)}/repo.git#v1 /o`)).toEqual(files('1'));
    } finally {
      daemon.kill('SIGKILL');
      await once(daemon, 'exit');
    }
  });

  it('runs no hook and reads no configuration of the user', async () => {
    const home = cli.scratch.path('home');
    const mark = cli.scratch.path('mark');
    await mkdir(join(home, 'hooks'), { recursive: true });
    await writeFile(join(home, 'hooks/post-checkout'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
    await writeFile(
      join(home, '.gitconfig'),
      `[core]\n\thooksPath = ${home}/hooks\n[init]\n\ttemplateDir = ${home}\n`,
    );
    const env = { HOME: home, GIT_TEMPLATE_DIR: home, GIT_DIR: '/nowhere' };
    const kubefile = `FROM scratch\nADD ${base}/repo.git#v1 /hooks\n`;
    await build(cli, 'hooks', { kubefile, args: [...ARGS, '--no-cache'], platforms: PLATFORMS, env });
    expect(existsSync(mark)).toBe(false);
  });

  it('is checked against its commit', async () => {
    const commit = await commitOf('v1');
    expect(await added(`--checksum=${commit} ${base}/repo.git#v1 /o`)).toEqual(files('1'));
    expect(await added(`--checksum=${commit.slice(0, 8)} ${base}/repo.git#v1 /o`)).toEqual(files('1'));
  });

  it.each([
    ['what is not there', '$BASE/repo.git#nope /o', /Kubefile:2:1: .*no branch or tag "nope"/s],
    [
      'a server that does not have it',
      '$BASE/none.git /o',
      /git ls-remote ended with.*none\.git.*not found/s,
    ],
    ['another commit', `--checksum=${'0'.repeat(40)} $BASE/repo.git /o`, /is [0-9a-f]{40}, not 0{40}/],
    ['a checksum of a file', `--checksum=sha256:${'0'.repeat(64)} $BASE/repo.git /o`, /is no commit/],
    ['a directory it lacks', '$BASE/repo.git#main:nope /o', /"\/nope": not found/],
  ])('is refused: %s', async (_what, words, message) => {
    const { status, stderr } = await add(words.replace('$BASE', base));
    expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(stderr).not.toMatch(STACK_TRACE);
  });

  it('is refused by --offline and by COPY', async () => {
    requests.length = 0;
    const offline = await add(`${base}/repo.git /o`, ['--offline']);
    expect([offline.status, offline.stderr]).toEqual([1, expect.stringContaining(`${base}/repo.git (ADD, `)]);
    expect(requests).toEqual([]);
    const copied = await tryBuild(cli, 'copied', {
      kubefile: `FROM scratch\nCOPY ${base}/repo.git /o\n`,
      args: ARGS,
      platforms: PLATFORMS,
    });
    expect([copied.status, copied.stderr]).toEqual([1, expect.stringContaining('COPY takes no URL')]);
  });
});

describeWith(['root'], 'ADD of a URL', () => {
  it('unpacks an archive when it is told to, and only then', async () => {
    await shell('mkdir in; echo T > in/t; chown 3:4 in/t; tar -C in -cf served/a.tar t');
    expect(await added(`--unpack=true ${base}/a.tar /o/`)).toEqual({
      'o/': 'dir 0755 0:0',
      'o/t': 'file 0644 3:4 T',
    });
    expect(Object.keys(await added(`${base}/a.tar /o/`))).toEqual(['o/', 'o/a.tar']);
  });
});
