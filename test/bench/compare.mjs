// Ours beside buildah on the same work, in one run: `node test/bench/compare.mjs [rounds] [row…]`.
//
// Needs root, buildah, a fetched emulator, and the Debian root file systems that the tests make, for arm64 and for
// this machine (.cache/debian-arm64.tar, .cache/debian-host.tar). buildah has to have a host-wide binfmt entry: it is made at the start and removed at
// the end. Rounds alternate; the table shows medians. Nothing here is an assertion.
//
// 20,000 small files, recorded on two cores with twenty programs waiting for them: 3.75 s to buildah's 7.71 s (0.49). Of our
// own processor time in that build 0.33 s where it was 1.15 s before plain files went together
// (emulators/native/files): hashing the layer 0.12 s (0.74 s), the audit 0.04 s (0.21 s); a new COPY of the 20,000
// 2.2 s (3.0 s), a root file system of them as a tar 0.11 s (0.76 s).
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/main.js');
const ROOTFS = process.env.BENCH_ROOTFS ?? join(ROOT, '.cache/debian-arm64.tar');
const NATIVE = process.env.BENCH_NATIVE ?? join(ROOT, '.cache/debian-host.tar');
const ROUNDS = Number(process.argv[2] ?? 5);
const ONLY = process.argv.slice(3);
const WORK = mkdtempSync('/var/tmp/arch-build-bench-');
const STORE = join(WORK, 'store');
const BINFMT = '/proc/sys/fs/binfmt_misc';

const smallFiles = 'i=0; mkdir /many; while [ $i -lt 20000 ]; do echo $i > /many/$i; i=$((i+1)); done';
const apt = 'apt-get update && apt-get install -y --no-install-recommends jq git && apt-get purge -y jq git';
const echoes = Array.from({ length: 10 }, (_, i) => `RUN echo step ${i}`).join('\n');

/** `touch` runs before each round; `cached` means the second build of the same thing is what is timed. */
const ROWS = [
  {
    id: 'exec500',
    name: 'RUN: 500 × /bin/true',
    kubefile: (n) => `FROM base\nENV N=${n}\nRUN i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done\n`,
  },
  {
    id: 'files',
    name: 'RUN: 20,000 small files',
    kubefile: (n) => `FROM base\nENV N=${n}\nRUN ${smallFiles}\n`,
  },
  {
    id: 'dd',
    name: 'RUN: 512 MiB of random',
    kubefile: (n) => `FROM base\nENV N=${n}\nRUN dd if=/dev/urandom of=/big bs=1M count=512 2>/dev/null\n`,
  },
  { id: 'copy', name: 'COPY: 20,000 × 4 KiB', kubefile: (n) => `FROM base\nENV N=${n}\nCOPY many /many\n` },
  {
    id: 'copy-cached',
    name: 'the same, cached',
    cached: true,
    kubefile: () => 'FROM base\nCOPY many /many\n',
  },
  { id: 'echo10', name: '10 × RUN echo', kubefile: (n) => `FROM base\nENV N=${n}\n${echoes}\n` },
  {
    id: 'noop',
    name: 'no-op rebuild, small file',
    cached: true,
    small: true,
    kubefile: () => 'FROM base\nCOPY small /small\nENV A=1\n',
  },
  {
    id: 'apt',
    name: 'apt-get: update, install, purge jq git',
    kubefile: (n) => `FROM base\nENV N=${n}\nRUN ${apt}\n`,
  },
].filter(({ id }) => ONLY.length === 0 || ONLY.includes(id));

function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...options,
  });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${result.status}\n${result.stderr}`);
  return result.stdout;
}

/** Wall time in seconds and the peak of the builder's own memory in MB. */
async function timed(command, args) {
  const start = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  let peak = 0;
  child.stderr.on('data', (data) => (errors += data));
  const poll = setInterval(() => {
    try {
      peak = Math.max(
        peak,
        Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0),
      );
    } catch {
      // it has just ended
    }
  }, 20);
  const status = await new Promise((done) => child.on('close', done));
  clearInterval(poll);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${errors}`);
  return { seconds: (performance.now() - start) / 1000, peak: peak / 1024 };
}

const own = (flags) => (context, tag) => {
  const file = join(context, 'Kubefile');
  const words = ['--emulate', 'aarch64', '--pull', 'never', ...flags, '-f', file, '-t', tag, context];
  return [process.execPath, [CLI, '--root', STORE, ...words]];
};

const BUILDERS = {
  ours: own([]),
  accelerated: own(['--accelerate=on']),
  buildah: (context, tag) => [
    'buildah',
    [
      ...storage(),
      'bud',
      '--isolation',
      'chroot',
      '--layers',
      '--arch',
      'arm64',
      '--pull-never',
      '-f',
      join(context, 'Kubefile'),
      '-t',
      tag,
      context,
    ],
  ],
};

const storage = () => [
  '--root',
  join(WORK, 'buildah'),
  '--runroot',
  join(WORK, 'buildah-run'),
  '--storage-driver',
  'overlay',
];

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function measure(row) {
  const context = join(WORK, row.id);
  mkdirSync(context);
  if (row.small) writeFileSync(join(context, 'small'), 'small\n');
  else if (row.kubefile('').includes('COPY'))
    cpSync(join(WORK, 'many'), join(context, 'many'), { recursive: true });
  const results = { ours: [], accelerated: [], buildah: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const builder of Object.keys(BUILDERS)) {
      writeFileSync(join(context, 'Kubefile'), row.kubefile(`${builder}-${round}`));
      const result = await timed(...BUILDERS[builder](context, `bench-${row.id}`));
      if (round > 0) results[builder].push(result); // the first one warms up, or fills the cache
    }
  }
  return results;
}

function registerForBuildah() {
  const mounted = existsSync(join(BINFMT, 'status'));
  if (!mounted) run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT]);
  const emulators = JSON.parse(
    run(process.execPath, [CLI, '--root', STORE, 'emulators', 'ls', 'aarch64', '--json']),
  ).emulators;
  const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`;
  const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`;
  writeFileSync(join(BINFMT, 'register'), `:bench-aarch64:M::${magic}:${mask}:${emulators[0].path}:POCF`);
  return () => {
    writeFileSync(join(BINFMT, 'bench-aarch64'), '-1');
    if (!mounted) run('umount', [BINFMT]);
  };
}

function prepare() {
  mkdirSync(join(WORK, 'many'));
  for (let i = 0; i < 20_000; i += 1)
    writeFileSync(join(WORK, 'many', `file-${i}`), Buffer.alloc(4096, `${i} `));
  run(process.execPath, [CLI, '--root', STORE, 'emulators', 'fetch', 'aarch64']);
  run(process.execPath, [CLI, '--root', STORE, 'import', ROOTFS, 'foreign', '--platform', 'linux/arm64']);
  run(process.execPath, [CLI, '--root', STORE, 'import', NATIVE, 'native', '--platform', 'linux/amd64']);
  run(process.execPath, [CLI, '--root', STORE, 'manifest', 'create', 'base', 'foreign', 'native']);
  run(process.execPath, [CLI, '--root', STORE, 'save', '-o', join(WORK, 'base.tar'), 'foreign']);
  run('buildah', [...storage(), 'pull', `oci-archive:${join(WORK, 'base.tar')}`]);
  const id = run('buildah', [...storage(), 'images', '-q'])
    .trim()
    .split('\n')[0];
  run('buildah', [...storage(), 'tag', id, 'localhost/base:latest', 'docker.io/library/base:latest']);
}

let unregister = () => undefined;
try {
  prepare();
  unregister = registerForBuildah();
  console.log('| work | ours | accelerated | buildah | ratio | our peak memory |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const row of ROWS) {
    const { ours, accelerated, buildah } = await measure(row);
    const [a, fast, b] = [ours, accelerated, buildah].map((list) =>
      median(list.map(({ seconds }) => seconds)),
    );
    const peak = Math.max(...ours.map((result) => result.peak));
    console.log(
      `| ${row.name} | ${a.toFixed(2)} s | ${fast.toFixed(2)} s | ${b.toFixed(2)} s | ${(a / b).toFixed(2)} | ${peak.toFixed(0)} MB |`,
    );
  }
} finally {
  unregister();
  spawnSync('buildah', [...storage(), 'rmi', '-a', '-f']);
  spawnSync('umount', [join(WORK, 'buildah/overlay')]);
  rmSync(WORK, { recursive: true, force: true });
}
