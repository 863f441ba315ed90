/**
 * What buildah's tests find outside of themselves, all of it on this host: base images in registries, sites they fetch
 * from, programs they call. The names of the registries and sites lead to loopback in a mount namespace with an
 * /etc/hosts of its own, and their certificates are of an authority only $SSL_CERT_FILE names.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeStandIns } from './stand-ins.mjs';
import { REGISTRIES, SITES, makeCertificates, startRegistry, startSites } from './web.mjs';

const program = fileURLToPath(new URL('../../../../dist/main.js', import.meta.url));
const emulators = fileURLToPath(new URL('../../../../.cache/test-store/emulators', import.meta.url));
const programs = fileURLToPath(new URL('programs.mjs', import.meta.url));

/** crun starts nothing where both versions of control groups are mounted. */
const ONE_HIERARCHY = 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi';

/** `command` puts a program into the world; `close` ends the servers. */
export async function openWorld({ scratch, source, bases, platforms, images }) {
  const network = `127.${randomInt(2, 250)}.${randomInt(2, 250)}`;
  const [registryAddress, siteAddress] = [`${network}.1`, `${network}.2`];
  const web = makeCertificates(join(scratch, 'web'), [registryAddress]);
  const bundle = join(scratch, 'web/bundle.crt');
  const system = '/etc/ssl/certs/ca-certificates.crt';
  writeFileSync(
    bundle,
    (existsSync(system) ? readFileSync(system, 'utf8') : '') + readFileSync(web.authority, 'utf8'),
  );
  const registry = await startRegistry(join(scratch, 'registry'), registryAddress, web);
  const sites = await startSites(siteAddress, { ...web, ...makeSites(join(scratch, 'sites'), source) });
  const environment = {
    USER: userInfo().username,
    SSL_CERT_FILE: bundle,
    GIT_SSL_CAINFO: bundle,
    ARCH_BUILD_EMULATORS: process.env.ARCH_BUILD_EMULATORS ?? emulators,
  };
  fillRegistry({ scratch, bases, platforms, images, registryAddress, environment });
  mkdirSync(join(scratch, 'cache')); // of _prefetch
  const bin = makePrograms(join(scratch, 'bin'));
  const etc = makeEtc(join(scratch, 'etc'), [
    ['hosts', `${registryAddress} ${REGISTRIES.join(' ')}\n${siteAddress} ${SITES.join(' ')}`],
    // whose ranges are for user namespaces of root's containers
    ['subuid', 'containers:2147483648:1073741824'],
    ['subgid', 'containers:2147483648:1073741824'],
  ]);
  return {
    environment: { ...environment, PATH: `${bin}:${process.env.PATH}`, INET_BINARY: join(bin, 'inet') },
    command: (words) => [
      ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
      `for name in hosts subuid subgid; do mount --bind "$0/$name" /etc/$name || exit; done; ${ONE_HIERARCHY}; exec "$@"`,
      etc,
      ...words,
    ],
    close: () => {
      registry.kill();
      for (const server of sites) server.close();
      for (const server of sites) server.closeAllConnections();
    },
  };
}

/** Files of the host, and a few lines more. */
function makeEtc(directory, added) {
  mkdirSync(directory);
  for (const [name, lines] of added) {
    const path = join('/etc', name);
    const there = existsSync(path) ? readFileSync(path, 'utf8') : '';
    writeFileSync(join(directory, name), `${there}\n${lines}\n`);
  }
  return directory;
}

function fillRegistry({ scratch, bases, platforms, images, registryAddress, environment }) {
  const store = join(scratch, 'seed');
  const arch = (args) => {
    const words = [program, '--root', store, ...args];
    const env = { ...process.env, ...environment };
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env });
    if (status !== 0) throw new Error(`arch-build ${args.join(' ')}: ${stderr}`);
  };
  const push = (name) => arch(['push', name, name.replace(/^[^/]*/, `${registryAddress}:443`)]);
  makeStandIns({ scratch: join(scratch, 'stand-ins'), bases, platforms, images, arch, push });
}

function makePrograms(directory) {
  mkdirSync(directory);
  for (const name of ['go', 'inet'])
    writeFileSync(join(directory, name), `#!/bin/sh\nexec node ${programs} ${name} "$@"\n`, { mode: 0o755 });
  // what containers may use is nothing that tests look at, and groups for them would stay on the host
  writeFileSync(
    join(directory, 'podman'),
    '#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --cgroups=disabled "$@"; fi\nexec /usr/bin/podman "$@"\n',
    { mode: 0o755 },
  );
  writeFileSync(join(directory, 'uuidgen'), '#!/bin/sh\ncat /proc/sys/kernel/random/uuid\n', { mode: 0o755 });
  return directory;
}

/** GitHub has buildah's sources as they are here, and repositories that do for those of the tests. */
function makeSites(directory, source) {
  const repositories = join(directory, 'repositories');
  mkdirSync(join(repositories, 'containers'), { recursive: true });
  mkdirSync(join(repositories, 'projectatomic'), { recursive: true });
  const daemon = join(source, 'tests/git-daemon');
  const unpack = (archive, path) => {
    mkdirSync(path);
    run('tar', ['-xzf', join(daemon, archive), '-C', path, '--no-same-owner']);
    return path;
  };
  addMain(unpack('release-1.11-rhel.tar.gz', join(repositories, 'containers/buildah')), source);
  unpack('repo.tar.gz', join(repositories, 'projectatomic/nulecule-library'));
  const crun = join(directory, 'crun-1.4.5');
  mkdirSync(join(crun, 'src'), { recursive: true });
  mkdirSync(join(crun, 'libcrun'), { recursive: true });
  writeFileSync(join(crun, 'src/crun.c'), '/* stand-in */\n');
  writeFileSync(join(crun, 'libcrun/libcrun.c'), '/* stand-in */\n');
  run('tar', ['-cJf', `${crun}.tar.xz`, '-C', directory, 'crun-1.4.5']);
  const files = (url) => {
    if (url === 'https://github.com/containers/crun/releases/download/1.4.5/crun-1.4.5.tar.xz')
      return `${crun}.tar.xz`;
    const [, raw, page] =
      /^https:\/\/(?:raw\.githubusercontent\.com\/containers\/buildah\/(?:main|[0-9a-f]{40})\/(.*)|github\.com\/(.*\/blob\/.*))$/.exec(
        url,
      ) ?? [];
    if (page !== undefined) writeFileSync(join(directory, 'page'), `${page} ${Math.random()}\n`); // never twice the same
    return page === undefined ? raw && join(source, raw) : join(directory, 'page');
  };
  return { files, repositories };
}

/** A branch `main` of two commits that are always the same: the first has a Dockerfile, the second Containerfiles. */
function addMain(repository, source) {
  const date = '2017-01-01T00:00:00Z';
  const env = {
    PATH: process.env.PATH,
    GIT_DIR: repository,
    GIT_INDEX_FILE: `${repository}.index`,
    ...{ GIT_AUTHOR_NAME: 'tests', GIT_AUTHOR_EMAIL: 'tests@localhost', GIT_AUTHOR_DATE: date },
    ...{ GIT_COMMITTER_NAME: 'tests', GIT_COMMITTER_EMAIL: 'tests@localhost', GIT_COMMITTER_DATE: date },
  };
  const git = (...args) => run('git', args, { env }).trim();
  const blob = git('hash-object', '-w', join(source, 'tests/bud/from-scratch/Containerfile'));
  const commit = (names, parents) => {
    git('read-tree', '--empty');
    for (const name of names)
      git('update-index', '--add', '--cacheinfo', `100644,${blob},tests/bud/from-scratch/${name}`);
    return git('commit-tree', git('write-tree'), '-m', names[0], ...parents);
  };
  const first = commit(['Dockerfile'], []);
  git('update-ref', 'refs/heads/main', commit(['Containerfile', 'Containerfile2'], ['-p', first]));
  git('symbolic-ref', 'HEAD', 'refs/heads/main');
}

function run(command, args, options) {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}
