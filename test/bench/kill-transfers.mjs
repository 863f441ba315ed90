// Kills transfers at random moments and looks at what is left: `node test/bench/kill-transfers.mjs [kills] [seed]`.
//
// Needs root, docker-registry and skopeo. Each round starts pull, push, load, save, rmi or prune, and kills it with
// SIGKILL at a random moment. Then, without our own program: every image that has a name is whole, byte for byte, and
// what was there before is there still. Then the same command again, or `prune`, has to succeed and to leave nothing: no
// temporary files, no partial downloads, no unreachable blobs, no processes, no mounts. Exits 1 at the first fault.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, startRegistry, writeImage } from './registry-images.mjs';

const CLI = process.env.ARCH_BUILD_CLI ?? resolve(import.meta.dirname, '../../dist/main.js');
const WANTED = Number(process.argv[2] ?? 200);
const SEED = Number(process.argv[3] ?? Date.now() % 1_000_000);
const WORK = mkdtempSync('/var/tmp/arch-build-kills-');
const STORE = join(WORK, 'store');
const OUT = join(WORK, 'out');
const MB = 1 << 20;

let state = SEED;
/** Reproducible: mulberry32. */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const environment = { ...process.env, ARCH_BUILD_ROOT: STORE, TMPDIR: join(WORK, 'tmp') };
const call = (...args) => run(process.execPath, [CLI, ...args], { env: environment });

mkdirSync(join(WORK, 'tmp'));
mkdirSync(OUT);
const { host, child: registry } = await startRegistry(join(WORK, 'registry'));
process.on('exit', () => registry.kill('SIGKILL'));

for (const [name, count] of [
  ['keep', 2],
  ['app', 6],
]) {
  const layers = Array.from({ length: count }, (_, index) => ({
    [`${name}-${index}`]: 6 * MB,
    small: 3000 + index,
  }));
  await writeImage(join(WORK, name), { tag: '1', layers });
  run('skopeo', [
    'copy',
    '-q',
    '--dest-tls-verify=false',
    `oci:${WORK}/${name}:1`,
    `docker://${host}/${name}:1`,
  ]);
}
const KEEP = `${host}/keep:1`;
const APP = `${host}/app:1`;
call('pull', KEEP, APP);
call('save', '-o', join(WORK, 'app.tar'), APP);
cpSync(STORE, join(WORK, 'both'), { recursive: true });
call('rmi', APP);
call('prune');
cpSync(STORE, join(WORK, 'keep-only'), { recursive: true });

const OPERATIONS = [
  { name: 'pull', from: 'keep-only', args: () => ['pull', APP], again: [APP, KEEP] },
  {
    name: 'push',
    from: 'both',
    args: (round) => ['push', APP, `${host}/pushed/r${round}:1`],
    check: (round) => checkPushed(`pushed/r${round}`),
    again: [APP, KEEP],
  },
  { name: 'load', from: 'keep-only', args: () => ['load', '-i', join(WORK, 'app.tar')], again: [APP, KEEP] },
  { name: 'save', from: 'both', args: () => ['save', '-o', join(OUT, 'app.tar'), APP], again: [APP, KEEP] },
  { name: 'rmi', from: 'both', args: () => ['rmi', APP], again: undefined },
  { name: 'prune', from: 'both', before: () => call('rmi', APP), args: () => ['prune'], again: [KEEP] },
];

const mountsBefore = readFileSync('/proc/mounts', 'utf8');
const tally = Object.fromEntries(OPERATIONS.map(({ name }) => [name, { killed: 0, finished: 0 }]));
let kills = 0;
for (let round = 0; kills < WANTED; round += 1) {
  const operation = OPERATIONS[round % OPERATIONS.length];
  const killed = await oneRound(operation, round);
  tally[operation.name][killed ? 'killed' : 'finished'] += 1;
  if (killed) kills += 1;
  if (round % 20 === 0) process.stderr.write(`${kills} of ${WANTED} kills\n`);
}
call('verify', KEEP);
console.log(JSON.stringify({ seed: SEED, kills, tally }));
registry.kill('SIGKILL');
rmSync(WORK, { recursive: true, force: true });

async function oneRound({ name, from, before, args, check, again }, round) {
  for (const folder of [STORE, OUT, join(WORK, 'tmp')]) rmSync(folder, { recursive: true, force: true });
  for (const folder of [OUT, join(WORK, 'tmp')]) mkdirSync(folder);
  cpSync(join(WORK, from), STORE, { recursive: true });
  before?.();
  const words = args(round);
  try {
    const killed = await killSometime(name, words);
    expectNamedWhole(KEEP);
    check?.(round);
    // half of the times without the command again: what prune alone makes of it
    const repeats = round % 12 < 6 && again !== undefined && name !== 'prune';
    if (repeats) call(...words);
    if (repeats) for (const image of again) expectWhole(image);
    call('prune');
    await expectClean();
    return killed;
  } catch (error) {
    process.stderr.write(`round ${round}, ${name}, seed ${SEED}, ${WORK}: ${error.stack}\n`);
    process.exit(1);
  }
}

/** How long each takes when nobody kills it; the moments are spread over it. */
function usual(name) {
  usual.known ??= {};
  return (usual.known[name] ??= 1500);
}

async function killSometime(name, words) {
  const start = performance.now();
  const child = spawn(process.execPath, [CLI, ...words], { env: environment, stdio: 'ignore' });
  const ended = new Promise((end) => child.once('exit', (status, signal) => end({ status, signal })));
  const moment = random() * usual(name);
  const timer = setTimeout(() => child.kill('SIGKILL'), moment);
  const { status, signal } = await ended;
  clearTimeout(timer);
  if (signal === 'SIGKILL') return true;
  if (status !== 0) throw new Error(`${words.join(' ')}: status ${status}`);
  usual.known[name] = performance.now() - start; // it takes no longer than that
  return false;
}

function document(digest) {
  const bytes = readFileSync(join(STORE, 'blobs', ...digest.split(':')));
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (`sha256:${actual}` !== digest) throw new Error(`${digest} is ${actual}`);
  return bytes;
}

function index() {
  return JSON.parse(readFileSync(join(STORE, 'index.json'), 'utf8')).manifests;
}

function nameOf({ annotations = {} }) {
  return Object.values(annotations).find((value) => value === KEEP || value === APP);
}

/** All digests of an image, each checked. */
function reach({ digest }) {
  const { config, layers } = JSON.parse(document(digest));
  for (const part of [config, ...layers]) document(part.digest);
  return [digest, config.digest, ...layers.map((layer) => layer.digest)];
}

function expectWhole(name) {
  const entry = index().find((each) => nameOf(each) === name);
  if (entry === undefined) throw new Error(`${name} is not there`);
  reach(entry);
}

function expectNamedWhole(name) {
  expectWhole(name);
  for (const entry of index()) reach(entry);
}

/** A tag in the registry means an image that is whole there. */
function checkPushed(path) {
  const link = join(
    WORK,
    'registry/data/docker/registry/v2/repositories',
    path,
    '_manifests/tags/1/current/link',
  );
  if (!existsSync(link)) return;
  run('skopeo', [
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${host}/${path}:1`,
    `dir:${join(OUT, 'dir')}`,
  ]);
}

async function expectClean() {
  const deadline = Date.now() + 5000; // the reaper takes a moment
  for (;;) {
    const found = leftovers();
    if (found.length === 0) return;
    if (Date.now() > deadline) throw new Error(`left behind:\n${found.join('\n')}`);
    await sleep(50);
  }
}

function leftovers() {
  const reachable = new Set(
    index()
      .flatMap(reach)
      .map((digest) => digest.slice('sha256:'.length)),
  );
  const files = readdirSync(STORE, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  // facts.json: what the store remembers of documents
  const known = ['oci-layout', 'index.json', 'facts.json', 'lock', 'index.lock', 'owner'];
  const allowed = new Set([...known, ...reachable]);
  return [
    ...files.filter(({ name }) => !allowed.has(name)).map((entry) => join(entry.parentPath, entry.name)),
    ...readdirSync(join(WORK, 'tmp')).map((name) => `tmp/${name}`),
    ...readdirSync(OUT)
      .filter((name) => name !== 'app.tar' && name !== 'dir')
      .map((name) => `out/${name}`),
    ...brokenArchives(),
    ...processes(),
    ...(readFileSync('/proc/mounts', 'utf8') === mountsBefore ? [] : ['a mount']),
  ];
}

/** An archive under its name is a whole one. */
function brokenArchives() {
  const archive = join(OUT, 'app.tar');
  if (!existsSync(archive) || readFileSync(archive).equals(readFileSync(join(WORK, 'app.tar')))) return [];
  return [archive];
}

function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && Number(name) !== registry.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(STORE);
      } catch {
        return false;
      }
    })
    .map((pid) => `process ${pid}`);
}
