// Do native twins do what the programs they stand for do under qemu?
// `node test/bench/twins.mjs FOREIGN-ROOT NATIVE-ROOT QEMU-MACHINE [PROGRAM…]`
//
// Both roots are directories with the same packages of the same Debian, for the emulator's machine and for this one.
// Needs root, Linux 6.7, util-linux. Each invocation of twin-cases.mjs is run in a chroot of the foreign root: once by
// the emulator, once as the front does it, by the twin's loader. Standard output and error, status, and what the program has made of
// the files are compared. Prints each difference; exits 1 when there was one, or when a twin has no case.
//
// Recorded with qemu 7.2 and Debian 12 for arm64, compressors and archivers added: 126 twins, 3898 invocations in one run
// of seven minutes, all the same but for one number that `factor` was too slow for under qemu; a smaller one stands in its
// place, and was the same. What did differ before is named in neutral-programs.ts.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CASES, ENVIRONMENTS, KNOWN, words } from './twin-cases.mjs';
import { addArchives, makeFixture } from './twin-fixture.mjs';

const SELF = fileURLToPath(import.meta.url);
const TWINS = '/srv/twins';
const [foreign, native, qemu, ...only] = process.argv.slice(2);

if (process.env.TWINS_INSIDE === undefined) process.exit(await inOwnNamespaces());

const WORK = process.env.TWINS_INSIDE;
const ROOT = `${WORK}/root`;
const FIXTURE = `lowerdir=${WORK}/fixture,upperdir=${WORK}/changes/upper,workdir=${WORK}/changes/work,userxattr`;
must('mount', '--make-rprivate', '/');
must('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', WORK);
const source = await loadSource();
const machine = source.architectureByName(basename(qemu).replace('qemu-', ''));
prepare();
const programs = await placeTwins(source);
addArchives(`${WORK}/fixture`, runNatively, await startServer());
addSignedFile();
let [count, differences] = [0, 0];
for (const { name, path, key } of programs) {
  if (only.length > 0 && !only.includes(key)) continue;
  const own = CASES[key] ?? [];
  if (own.length === 0) differ(key, 'has no case');
  for (const text of ['--help', '--version', '--no-such-option', ...own])
    for (const environment of ENVIRONMENTS) compare({ name, path, text, environment });
}
console.log(`${programs.length} twins, ${count} invocations, ${differences} differences`);
process.exit(differences === 0 ? 0 : 1);

/** As root of a user namespace with the same owners: there binfmt_misc is its own, too. */
async function inOwnNamespaces() {
  const work = mkdtempSync(join(tmpdir(), 'arch-build-twins-')); // what is in there is mounted, in there
  const roots = [foreign, native, qemu].map((path) => resolve(path));
  const separate = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const wait = ['sh', '-c', 'echo ready >&3; exec 3>&-; read -r _ && exec "$@"', 'sh'];
  const child = spawn(
    'unshare',
    ['--user', ...wait, ...separate, process.execPath, SELF, ...roots, ...only],
    {
      stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
      env: { ...process.env, TWINS_INSIDE: work },
    },
  );
  await once(child.stdio[3], 'data');
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, '0 0 4294967295');
  child.stdin.write('go\n');
  const [status] = await once(child, 'close');
  rmdirSync(work);
  return status ?? 1;
}

function compare({ name, path, text, environment }) {
  count += 1;
  const { argv0 = path, args, input, variables } = words(text);
  const twin = [`${TWINS}/loader`, '--inhibit-cache', '--argv0', argv0, '--library-path', `${TWINS}/lib`];
  const env = { PATH: '/usr/bin:/usr/sbin:/bin', ...environment, ...variables };
  const [emulated, accelerated] = [
    [argv0, ...args],
    [...twin, `${TWINS}/bin/${name}`, ...args],
  ].map((argv) => runInRoot(argv, { input, env }));
  for (const part of Object.keys(emulated)) {
    if (emulated[part] === accelerated[part] || KNOWN.has(`${name} ${text}`)) continue;
    const at = [...String(emulated[part])].findIndex(
      (letter, index) => letter !== String(accelerated[part])[index],
    );
    const show = (value) => JSON.stringify(String(value).slice(Math.max(at - 80, 0), at + 80));
    const what = `${JSON.stringify(environment)} ${part}:\n  qemu ${show(emulated[part])}\n  twin ${show(accelerated[part])}`;
    differ(`${name} ${text}`, what);
  }
}

function differ(name, what) {
  differences += 1;
  console.log(`${name}: ${what}`);
}

function runInRoot(argv, { input, env }) {
  rmSync(`${WORK}/changes`, { recursive: true, force: true });
  for (const name of ['upper', 'work']) mkdirSync(`${WORK}/changes/${name}`, { recursive: true });
  utimesSync(`${WORK}/changes/upper`, 1.5e9, 1.5e9);
  must('mount', '-t', 'overlay', 'overlay', '-o', FIXTURE, `${ROOT}/mnt`);
  try {
    const { status, signal, stdout, stderr } = spawnSync(
      'unshare',
      [`--root=${ROOT}`, '--wd=/mnt', '--', ...argv],
      {
        input: input === undefined ? '' : readFileSync(join(ROOT, 'mnt', input)),
        env,
        maxBuffer: 1 << 28,
        timeout: 60_000,
      },
    );
    const result = { status: signal ?? status, stdout: stdout.toString('latin1') };
    return {
      ...result,
      stderr: stderr.toString('latin1'),
      files: treeOf(`${WORK}/changes/upper`).join('\n'),
    };
  } finally {
    must('umount', '-l', `${ROOT}/mnt`);
  }
}

function runNatively(name, args, options) {
  const place = `${ROOT}${TWINS}`;
  const argv = [
    '--inhibit-cache',
    '--argv0',
    name,
    '--library-path',
    `${place}/lib`,
    `${place}/bin/${name}`,
    ...args,
  ];
  return spawnSync(`${place}/loader`, argv, { ...options, maxBuffer: 1 << 28 });
}

/** A file that Debian has signed, where this host has one. */
function addSignedFile() {
  const lists = '/var/lib/apt/lists';
  const [name] = existsSync(lists) ? readdirSync(lists).filter((each) => each.endsWith('_InRelease')) : [];
  writeFileSync(`${WORK}/fixture/InRelease`, name === undefined ? '' : readFileSync(join(lists, name)));
}

/** For apt's method: it says the same each time. Its port. */
async function startServer() {
  const program = `require('node:http').createServer((request, response) => {
      response.sendDate = false;
      const name = request.url.split('?')[0];
      const path = '${WORK}/fixture' + name;
      if (!require('node:fs').existsSync(path)) response.writeHead(404).end('none');
      else response.writeHead(200, { 'Last-Modified': 'Sun, 09 Sep 2001 01:46:40 GMT' }).end(require('node:fs').readFileSync(path));
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  return Number(port);
}

function treeOf(directory) {
  return readdirSync(directory, { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = Buffer.from(join(directory, name), 'latin1');
      const { mode, size, uid, gid, nlink, mtimeMs, rdev } = lstatSync(path);
      const isDirectory = (mode & 0o170000) === 0o040000;
      const isFile = (mode & 0o170000) === 0o100000;
      const content = isFile
        ? createHash('md5').update(readFileSync(path)).digest('hex')
        : (mode & 0o170000) === 0o120000
          ? readlinkSync(path)
          : String(rdev);
      const time = mtimeMs < Date.UTC(2026, 0) || mtimeMs > Date.now() + 1e6 ? mtimeMs : 'now';
      const line = [name, mode.toString(8), isFile ? size : '', uid, gid, nlink, time, content].join(' ');
      return [line, ...(isDirectory ? treeOf(path.toString('latin1')).map((each) => `${name}/${each}`) : [])];
    });
}

function prepare() {
  for (const name of ['root', 'upper', 'work', 'fixture']) mkdirSync(`${WORK}/${name}`);
  const layers = `lowerdir=${foreign},upperdir=${WORK}/upper,workdir=${WORK}/work,userxattr`;
  must('mount', '-t', 'overlay', 'overlay', '-o', layers, ROOT);
  for (const place of ['mnt', 'srv', 'proc', 'dev', 'sys'])
    mkdirSync(`${ROOT}/${place}`, { recursive: true });
  for (const place of ['proc', 'dev', 'sys']) must('mount', '--rbind', `/${place}`, `${ROOT}/${place}`);
  must('mount', '-t', 'binfmt_misc', 'none', '/proc/sys/fs/binfmt_misc');
  const { magic, mask } = machine;
  const escaped = (hex) => hex.replace(/../g, '\\x$&');
  const line = `:twins:M::${escaped(magic)}:${escaped(mask)}:${qemu}:POCF`;
  writeFileSync('/proc/sys/fs/binfmt_misc/register', line);
  makeFixture(`${WORK}/fixture`);
}

/** The selection under test, built from the source. */
async function loadSource() {
  const { build } = await import('esbuild');
  const contents = `export * from './src/emulation/twins/find-twins.ts';
    export * from './src/emulation/twins/write-twins.ts';
    export * from './src/emulation/architecture.ts'; export * from './test/support/directory-files.ts';`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: resolve(SELF, '../../..') },
    ...{ bundle: true, platform: 'node', target: 'node20', format: 'esm', write: false },
  });
  const path = `${WORK}/source.mjs`;
  writeFileSync(path, outputFiles[0].text);
  return import(path);
}

/** The twins with the path each has in the foreign root. */
async function placeTwins({ directoryFiles, findTwins, writeTwins, architectureByName }) {
  const machines = { foreign: machine, native: architectureByName('x86_64') };
  const set = findTwins(directoryFiles(foreign), directoryFiles(native), machines);
  if (typeof set === 'string') throw new Error(set);
  must('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', `${ROOT}/srv`);
  mkdirSync(`${ROOT}${TWINS}`);
  await writeTwins(set, `${ROOT}${TWINS}`);
  return set.programs.map(({ name, hostPath }) => {
    const path = hostPath.slice(native.length);
    return { name, path, key: path.replace(/^.*\/(apt)\/methods\//, '$1-').replace(/^.*\//, '') };
  });
}

function must(...argv) {
  const [file, ...args] = argv;
  const { error, status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new Error(`${argv.join(' ')}: ${error?.message ?? stderr}`);
}
