// Debian 12 for three machines in one command: `node test/bench/debian-platforms.mjs`.
//
// Needs root, debootstrap, faketime, fetched emulators for aarch64 and armv7l, and a Debian mirror. Every platform's system is
// finished by a build of ours (debootstrap's second stage) and gets a package with apt in a second build of two stages.
// That one is killed half-way and repeated, repeated from the cache, and built again from another path, store, umask,
// order of files and clock. What is said of digests is checked; times are printed.
//
// Recorded on two cores with other work on them: second stages 111 s, the package after the kill 15 s, from the cache 0.14 to
// 0.18 s, in the other place 31 s; nothing tagged after the kill, the same digest from the cache and in the other place.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './registry-images.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = process.env.ARCH_BUILD_CLI ?? join(ROOT, 'dist/main.js');
const WORK = mkdtempSync('/var/tmp/arch-build-debian-');
const MACHINES = [
  { arch: 'aarch64', platform: 'linux/arm64', debian: 'arm64' },
  { arch: 'armv7l', platform: 'linux/arm/v7', debian: 'armhf' },
  { arch: 'x86_64', platform: 'linux/amd64', debian: 'amd64' },
];
const PLATFORMS = MACHINES.map(({ platform }) => platform).join(',');

const SYSTEM =
  'FROM stage1\nRUN container=lxc /debootstrap/debootstrap --second-stage && rm -rf /var/log/* /var/cache/*\n';
// What apt keeps of the time it ran at is removed, as anybody does who wants the same image twice.
const KUBEFILE = `FROM debian AS data
WORKDIR /data
COPY . .
RUN sed -i 's/1/100/' numbers.json

FROM debian
RUN apt-get update && apt-get install -y --no-install-recommends jq \\
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=data --chown=nobody /data/ /srv/
ENV FILTER=.numbers
WORKDIR /srv
USER nobody
CMD ["sh", "-c", "dpkg --print-architecture; jq -c $FILTER numbers.json"]
`;
const FILES = { Kubefile: KUBEFILE, 'numbers.json': '{"numbers":[1,2,3]}\n', more: 'more\n' };
const EPOCH = '1700000000';

const environmentOf = (store) => ({
  ...process.env,
  ARCH_BUILD_ROOT: store,
  SOURCE_DATE_EPOCH: EPOCH,
});
const ours = (store, ...args) => run(process.execPath, [CLI, ...args], { env: environmentOf(store) });
const buildArgs = (context) => [
  'build',
  '-q',
  '--dialect',
  'dockerfile',
  '--platform',
  PLATFORMS,
  '-t',
  'app:1',
  context,
];
const digestIn = (store) => JSON.parse(ours(store, 'inspect', 'app:1')).digest;

function timed(title, act) {
  const started = performance.now();
  const result = act();
  console.log(`${title.padEnd(58)} ${((performance.now() - started) / 1000).toFixed(2)} s`);
  return result;
}

function expect(title, good) {
  console.log(`${title.padEnd(58)} ${good ? 'yes' : 'NO'}`);
  if (!good) process.exitCode = 1;
}

function writeContext(directory, names) {
  mkdirSync(directory, { recursive: true });
  for (const name of names) writeFileSync(join(directory, name), FILES[name]);
  return directory;
}

function makeBase(store) {
  for (const arch of ['aarch64', 'armv7l']) ours(store, 'emulators', 'fetch', arch);
  for (const { debian, platform } of MACHINES) {
    const rootfs = join(WORK, `${debian}.tar`);
    timed(`debootstrap, first stage, ${platform}`, () =>
      run('sh', [join(ROOT, 'scripts/debian-rootfs.sh'), debian, rootfs]),
    );
    ours(store, 'import', rootfs, `stage1-${debian}`, '--platform', platform);
    rmSync(rootfs);
  }
  ours(store, 'manifest', 'create', 'stage1', ...MACHINES.map(({ debian }) => `stage1-${debian}`));
  const context = join(WORK, 'system');
  mkdirSync(context);
  writeFileSync(join(context, 'Kubefile'), SYSTEM);
  const args = ['build', '-q', '--dialect', 'dockerfile', '--platform', PLATFORMS, '-t', 'debian', context];
  timed('second stage of three platforms', () => ours(store, ...args));
}

/** In a process group of its own, so that whoever started it goes with it. */
async function killed(store, context, milliseconds) {
  const child = spawn(process.execPath, [CLI, ...buildArgs(context)], {
    env: environmentOf(store),
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await sleep(milliseconds);
  child.kill('SIGKILL');
  await ended;
}

async function main() {
  const store = join(WORK, 'store');
  makeBase(store);
  ours(store, 'save', '-o', join(WORK, 'debian.tar'), 'debian');
  const context = writeContext(join(WORK, 'context'), Object.keys(FILES));
  await killed(store, context, 12_000);
  expect('killed half-way: no tag', !ours(store, 'images', '--json').includes('app:1'));
  timed('the same again, to the end', () => ours(store, ...buildArgs(context)));
  const digest = digestIn(store);
  for (let round = 0; round < 3; round += 1)
    timed('from the cache', () => ours(store, ...buildArgs(context)));
  expect('from the cache: the same digest', digestIn(store) === digest);
  for (const { platform, debian } of MACHINES)
    expect(
      `${platform} runs`,
      ours(store, 'run', '--platform', platform, 'app:1') === `${debian}\n[100,2,3]\n`,
    );
  ours(store, 'verify', '--deep', 'app:1');

  const other = join(WORK, 'other/place/store');
  const elsewhere = writeContext(join(WORK, 'other/place/context'), Object.keys(FILES).reverse());
  cpSync(join(store, 'emulators'), join(other, 'emulators'), { recursive: true });
  ours(other, 'load', '-i', join(WORK, 'debian.tar'));
  const script = 'umask 077; exec faketime "2031-05-06 07:08:09" "$@"';
  timed('another path, store, umask, order of files and clock', () =>
    run('sh', ['-c', script, 'sh', process.execPath, CLI, ...buildArgs(elsewhere)], {
      env: environmentOf(other),
    }),
  );
  expect('the same digest there', digestIn(other) === digest);
}

try {
  await main();
} finally {
  rmSync(WORK, { recursive: true, force: true });
}
