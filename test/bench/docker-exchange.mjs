// Docker and buildah read and run what arch-build makes, and it reads what they make:
//
//   sh scripts/with-dockerd.sh .cache/oracle node test/bench/docker-exchange.mjs
//
// Needs root, docker-registry and a fetched emulator for aarch64. The image is of two machines and has what layers may
// have. While this runs the host has a binfmt entry for aarch64: docker's containers know no other. Prints a line for
// each exchange, exits 1 if one failed.
//
// Recorded with docker 26.1.5 and buildah 1.39.3: all 48 succeeded, in 2 minutes with other work on the machine.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run, startRegistry } from './registry-images.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = process.env.ARCH_BUILD_CLI ?? join(ROOT, 'dist/main.js');
const { DOCKER_MACHINE, DOCKER_SHARED } = process.env;
if (DOCKER_MACHINE === undefined) throw new Error('start this with scripts/with-dockerd.sh');

const WORK = join(DOCKER_SHARED, 'exchange');
const SEEN = '/work/exchange'; // the same directory, as docker and buildah see it
const environment = { ...process.env, ARCH_BUILD_ROOT: join(WORK, 'store') };
const ours = (...args) => run(process.execPath, [CLI, ...args], { env: environment });
const docker = (...args) => run('chroot', [DOCKER_MACHINE, 'docker', ...args]);
const buildah = (...args) =>
  run('chroot', [DOCKER_MACHINE, 'buildah', '--storage-driver', 'vfs', ...args], {
    env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
  });

const MACHINES = [
  { arch: 'amd64', platform: 'linux/amd64', machine: 'x86_64' },
  { arch: 'arm64', platform: 'linux/arm64', machine: 'aarch64' },
];
const KUBEFILE = `FROM base
ENV LETTERS="ä b"
RUN mkdir -p /d/sub && echo old >/d/gone && echo old >/d/sub/a && ln -s sub /d/link && echo one >/d/hard \\
 && ln /d/hard /d/hard2 && chmod 4755 /d/hard && chown 12:34 /d/sub && printf x >"/d/odd name ä"
RUN rm /d/gone && rm -r /d/sub && mkdir /d/sub && echo new >/d/sub/b && uname -m >/machine
WORKDIR /d
CMD ["/bin/sh", "-c", "cat /machine; uname -m; find /d ! -type d -exec stat -c '%A %h %u:%g %s %N' {} + | sort; find /d -type d -exec stat -c '%A %u:%g %n' {} + | sort; echo $LETTERS"]
`;

const { host, child: registry } = await startRegistry(join(WORK, 'registry'));
process.on('exit', () => registry.kill('SIGKILL'));
let failures = 0;

/** What an exchange returns has to be `expected`. */
function exchange(title, expected, act) {
  let seen;
  try {
    seen = act();
  } catch (error) {
    seen = String(error);
  }
  const good = JSON.stringify(seen) === JSON.stringify(expected);
  if (!good) failures += 1;
  console.log(`${good ? 'ok' : 'NOT OK'}  ${title}`);
  if (!good) console.log(`  expected ${JSON.stringify(expected)}\n  seen     ${JSON.stringify(seen)}`);
}

const inspect = (image, platform) => JSON.parse(ours('inspect', '--platform', platform, image));
const configOf = (image, platform) => inspect(image, platform).platforms[0].manifest.config.digest;
const dockerRun = (image, platform) =>
  docker('run', '--rm', '--network', 'none', '--platform', platform, image);

function prepare() {
  mkdirSync(join(WORK, 'context'), { recursive: true });
  writeFileSync(join(WORK, 'context/Kubefile'), KUBEFILE);
  ours('emulators', 'fetch', 'aarch64');
  for (const { arch, platform } of MACHINES) {
    const rootfs = join(WORK, `${arch}.tar`);
    run('sh', [join(ROOT, 'scripts/busybox-rootfs.sh'), arch, rootfs]);
    ours('import', rootfs, `base-${arch}`, '--platform', platform);
  }
  ours('manifest', 'create', 'base', ...MACHINES.map(({ arch }) => `base-${arch}`));
  ours(
    'build',
    '--platform',
    MACHINES.map(({ platform }) => platform).join(','),
    '-t',
    'mixed:1',
    join(WORK, 'context'),
  );
  return Object.fromEntries(
    MACHINES.map(({ platform }) => [platform, ours('run', '--platform', platform, 'mixed:1')]),
  );
}

/** What docker has under a name is that image, and prints what it prints with us. */
function dockerHas(title, image, { platform, printed }) {
  exchange(`${title}: the same configuration`, configOf('mixed:1', platform), () =>
    docker('image', 'inspect', '--format', '{{.Id}}', image).trim(),
  );
  exchange(`${title}: runs`, printed, () => dockerRun(image, platform));
  docker('rmi', '-f', image);
}

function fromUs(printed) {
  for (const [name, args] of [
    ['gzip', []],
    ['zstd', ['--compression', 'zstd']],
    ['none', ['--compression', 'none']],
    ['docker', ['--format', 'docker']],
  ]) {
    const remote = `${host}/${name}:1`;
    const digest = ours('push', ...args, 'mixed:1', remote).trim();
    for (const { platform } of MACHINES) {
      docker('pull', '-q', '--platform', platform, `${remote.slice(0, -2)}@${digest}`);
      const image = `${remote.slice(0, -2)}@${digest}`;
      const title = `push ${name}, docker pull ${platform}`;
      exchange(`${title}: runs`, printed[platform], () => dockerRun(image, platform));
      if (name !== 'docker')
        exchange(`${title}: the same configuration`, configOf('mixed:1', platform), () =>
          docker('image', 'inspect', '--format', '{{.Id}}', image).trim(),
        );
      docker('rmi', '-f', image);
      exchange(`push ${name}, buildah pull ${platform}: runs`, printed[platform], () =>
        buildahRun(`docker://${remote}`, platform),
      );
    }
  }
  for (const format of ['docker', 'oci']) {
    for (const { platform, arch } of MACHINES) {
      ours(
        'save',
        '--format',
        format,
        '--platform',
        platform,
        '-o',
        join(WORK, `${format}-${arch}.tar`),
        'mixed:1',
      );
      const title = `save --format ${format}, docker load ${platform}`;
      const text = docker('load', '-i', `${SEEN}/${format}-${arch}.tar`);
      const image = /Loaded image(?: ID)?: (\S+)/.exec(text)?.[1] ?? text;
      dockerHas(title, image, { platform, printed: printed[platform] });
    }
  }
}

// The limits it sets by default, a root without CAP_SYS_RESOURCE may not have.
const BUILDAH_FLAGS = ['--tls-verify=false', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];

function buildahRun(image, platform) {
  const container = buildah('from', '-q', ...BUILDAH_FLAGS, '--platform', platform, image).trim();
  const printed = buildah('run', container, '--', '/bin/sh', '-c', COMMAND);
  buildah('rm', container);
  buildah('rmi', '-a', '-f');
  return printed;
}
const COMMAND = JSON.parse(/CMD (.*)/.exec(KUBEFILE)[1])[2];

function fromThem(printed) {
  for (const { platform, arch } of MACHINES) {
    docker('load', '-i', `${SEEN}/docker-${arch}.tar`);
    const made = `${host}/theirs-${arch}:1`;
    // what docker makes of a container: a layer and a configuration of its own
    docker(
      'run',
      '--name',
      'made',
      '--network',
      'none',
      '--platform',
      platform,
      'mixed:1',
      '/bin/sh',
      '-c',
      'echo more >>/machine',
    );
    docker('commit', '-c', `CMD ${/CMD (.*)/.exec(KUBEFILE)[1]}`, 'made', made);
    docker('rm', 'made');
    const id = docker('image', 'inspect', '--format', '{{.Id}}', made).trim();
    docker('save', '-o', `${SEEN}/saved.tar`, made);
    docker('push', '-q', made);
    const expected = printed[platform].replace('\n', '\nmore\n');
    for (const [title, take] of [
      ['docker save, load', () => ours('load', '-i', join(WORK, 'saved.tar'))],
      ['docker push, pull', () => ours('pull', made)],
    ]) {
      take();
      exchange(`${title} ${platform}: the same configuration`, id, () => configOf(made, platform));
      exchange(`${title} ${platform}: verify`, '', () => (ours('verify', '--deep', made), ''));
      exchange(`${title} ${platform}: runs`, expected, () => ours('run', '--platform', platform, made));
      ours('rmi', made);
    }
    docker('rmi', '-f', made, 'mixed:1');
  }
  buildah('pull', '-q', '--tls-verify=false', '--platform', 'linux/arm64', `docker://${host}/gzip:1`);
  writeFileSync(join(WORK, 'context/Next'), `FROM ${host}/gzip:1\nRUN echo more >>/machine\n`);
  const where = ['--platform', 'linux/arm64', '-f', `${SEEN}/context/Next`, '-t', 'next', `${SEEN}/context`];
  buildah('build', '-q', ...BUILDAH_FLAGS, ...where);
  for (const format of ['oci', 'v2s2']) {
    const made = `${host}/buildah-${format}:1`;
    buildah('push', '-q', '--tls-verify=false', '--format', format, 'next', `docker://${made}`);
    ours('pull', made);
    exchange(`buildah push ${format}, pull: verify`, '', () => (ours('verify', '--deep', made), ''));
    exchange(`buildah push ${format}, pull: runs`, printed['linux/arm64'].replace('\n', '\nmore\n'), () =>
      ours('run', made),
    );
  }
}

const printed = prepare();
for (const { platform, machine } of MACHINES)
  exchange(`run ${platform}`, `${machine}\n${machine}`, () =>
    printed[platform].split('\n').slice(0, 2).join('\n'),
  );
ours('binfmt', 'register', 'aarch64');
try {
  fromUs(printed);
  fromThem(printed);
} finally {
  ours('binfmt', 'unregister', 'aarch64');
}
console.log(failures === 0 ? 'all exchanges succeeded' : `${failures} exchanges failed`);
process.exit(failures === 0 ? 0 : 1);
