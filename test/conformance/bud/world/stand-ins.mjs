/**
 * The images the tests name, none of which can be fetched: Debian's busybox with what the tests ask of each of them.
 * They are what the registry of `registry.mjs` serves, for the platforms the originals have.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../..', import.meta.url));

/** Platforms, and what scripts/busybox-rootfs.sh calls their machine. */
const ARCHITECTURES = {
  'linux/amd64': 'amd64',
  'linux/386': '386',
  'linux/arm64': 'arm64',
  'linux/arm/v6': 'armv5l',
  'linux/arm/v7': 'armv7l',
  'linux/ppc64le': 'ppc64le',
  'linux/s390x': 's390x',
};
const ALL = Object.keys(ARCHITECTURES);
const TEST_IMAGE = ['linux/amd64', 'linux/arm64', 'linux/ppc64le', 'linux/s390x'];
const NATIVE = ['linux/amd64'];

/** As alpine's: creates a user with a group of its own. */
const ADDUSER = `#!/bin/sh
# adduser [-D] [-H] [-S] [-g GECOS] [-h HOME] [-s SHELL] [-u UID] [-G GROUP] USER [GROUP]
home= uid= gecos= shell=/bin/sh create=1 group=
names=
while [ $# -gt 0 ]; do
  OPTIND=1
  while getopts DHSg:h:s:u:G: option; do
    case $option in
      H) create= ;; g) gecos=$OPTARG ;; h) home=$OPTARG ;; s) shell=$OPTARG ;; u) uid=$OPTARG ;; G) group=$OPTARG ;;
    esac
  done
  shift $((OPTIND - 1))
  if [ $# -gt 0 ]; then names="$names $1"; shift; fi
done
set -- $names
[ $# = 1 ] || exec addgroup "$@"
: "\${home:=/home/$1}" "\${uid:=$(awk -F: '$3 >= 1000 && $3 < 60000 && $3 >= n { n = $3 + 1 } END { print n < 1000 ? 1000 : n }' /etc/passwd)}"
if [ -z "$group" ]; then addgroup -g "$uid" "$1" && group=$1; fi
gid=$(awk -F: -v g="$group" '$1 == g { print $3 }' /etc/group)
echo "$1:x:$uid:$gid:$gecos:$home:$shell" >>/etc/passwd
[ -z "$create" ] || { mkdir -p "$home" && chown "$uid:$gid" "$home"; }
`;
const ADDGROUP = `#!/bin/sh
# addgroup [-S] [-g GID] [USER] GROUP
gid=
while getopts Sg: option; do case $option in g) gid=$OPTARG ;; esac; done
shift $((OPTIND - 1))
if [ $# = 2 ]; then
  sed -i -E "s/^($2:[^:]*:[^:]*:)(.+)$/\\\\1\\\\2,$1/; s/^($2:[^:]*:[^:]*:)$/\\\\1$1/" /etc/group
else
  : "\${gid:=$(awk -F: '$3 >= 1000 && $3 < 60000 && $3 >= n { n = $3 + 1 } END { print n < 1000 ? 1000 : n }' /etc/group)}"
  echo "$1:x:$gid:" >>/etc/group
fi
`;

const ACCOUNTS = ['root', 'bin', 'daemon', 'adm', 'lp', 'sync', 'shutdown', 'halt', 'mail'];
const PASSWD = [
  ...ACCOUNTS.map((name, id) => `${name}:x:${id}:${id}:${name}:/${id === 0 ? 'root' : ''}:/bin/sh`),
  'www-data:x:33:33:www-data:/var/www:/bin/false',
  'nobody:x:65534:65534:nobody:/:/bin/false',
];
const GROUP = [...ACCOUNTS.map((name, id) => `${name}:x:${id}:`), 'www-data:x:33:', 'nobody:x:65534:'];

const COMMON = {
  'etc/hosts': '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
  'etc/passwd': `${PASSWD.join('\n')}\n`,
  'etc/group': `${GROUP.join('\n')}\n`,
  'etc/nsswitch.conf': 'hosts: files dns\n',
};
const ALPINE = {
  ...COMMON,
  'etc/alpine-release': '3.20.0\n',
  'etc/hostname': 'localhost\n',
  'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.0\n',
  'etc/ssl/certs/ca-certificates.crt': 'stand-in\n',
  'etc/ssl/cert.pem': 'stand-in\n',
  'usr/sbin/adduser': ADDUSER,
  'usr/sbin/addgroup': ADDGROUP,
  'usr/bin/printenv': '#!/bin/sh\nexec env\n',
  'var/lib/apk/installed': '',
  'var/empty/': '',
  'home/': '',
  'srv/': '',
  'mnt/': '',
  'opt/': '',
  'media/': '',
  'var/cache/': '',
  'var/log/': '',
  'usr/local/bin/': '',
};

/** They stand on nothing. */
const NO_BASE = ['name', 'digest'].flatMap((word) => [
  '--annotation',
  `org.opencontainers.image.base.${word}=`,
]);

/** Programs of the host with the libraries they load, for images of the host's architecture. */
const IMAGES = [
  {
    name: 'docker.io/library/busybox',
    platforms: ALL,
    files: {
      ...COMMON,
      'bin/paste': '#!/bin/sh\nexec cat "$@"\n',
      'bin/nl': '#!/bin/sh\nexec cat -n "$@"\n',
    },
  },
  { name: 'docker.io/library/busybox:musl', platforms: NATIVE, files: COMMON },
  {
    name: 'docker.io/library/alpine',
    platforms: ALL,
    files: ALPINE,
    lines: ['ARG TARGETARCH', 'COPY arch/$TARGETARCH /etc/apk/arch'],
  },
  {
    name: 'docker.io/library/ubuntu',
    platforms: NATIVE,
    files: { ...COMMON, 'etc/os-release': 'ID=ubuntu\n', 'usr/lib/': '' },
    programs: ['/bin/bash', '/bin/cat', '/bin/sh'],
  },
  {
    name: 'docker.io/library/fedora',
    platforms: NATIVE,
    files: { ...COMMON, 'etc/os-release': 'ID=fedora\n' },
  },
  {
    name: 'registry.fedoraproject.org/fedora-minimal',
    platforms: NATIVE,
    files: { ...COMMON, 'etc/os-release': 'ID=fedora\n' },
    lines: ['LABEL name=fedora-minimal vendor=stand-in version=1'],
  },
  {
    name: 'quay.io/libpod/testimage:20221018',
    platforms: TEST_IMAGE,
    files: { ...ALPINE, 'home/podman/testimage-id': '20221018\n' },
  },
  {
    name: 'quay.io/libpod/alpine_nginx:latest',
    platforms: NATIVE,
    files: ALPINE,
    programs: ['/usr/bin/curl'],
  },
  {
    name: 'quay.io/fedora/python-311',
    platforms: NATIVE,
    files: COMMON,
    programs: ['/usr/bin/python3'],
    trees: ['/usr/lib/python3.11/encodings', '/usr/lib/python3.11/collections'],
    modules: true,
    lines: ['USER 1001'],
  },
  {
    name: 'quay.io/skopeo/stable',
    platforms: NATIVE,
    files: COMMON,
    programs: ['/usr/bin/skopeo'],
    lines: ['ENTRYPOINT ["/usr/bin/skopeo"]'],
  },
  {
    name: 'quay.io/libpod/registry:2.8.2',
    platforms: NATIVE,
    files: {
      ...COMMON,
      'entrypoint.sh': '#!/bin/sh\nexec docker-registry serve "$@"\n',
      'etc/docker/registry/': '',
      'var/lib/registry/': '',
    },
    programs: ['/usr/bin/docker-registry'],
  },
];

/** Builds those for some of the platforms and gives them to `push`, name by name. */
export function makeStandIns({ scratch, bases, platforms = ALL, images, arch, push }) {
  const wanted = platforms.filter((platform) => ALL.includes(platform));
  for (const platform of wanted) {
    const rootfs = rootfsOf(bases, ARCHITECTURES[platform]);
    arch(['import', rootfs, `localhost/rootfs:${tagOf(platform)}`, '--platform', platform]);
  }
  for (const image of IMAGES.filter(
    ({ name, programs = [] }) => images.test(name) && programs.every((path) => existsSync(path)),
  )) {
    const context = join(scratch, image.name.replace(/[^a-z0-9]/g, '-'));
    writeContext(context, image);
    const built = image.platforms.filter((platform) => wanted.includes(platform));
    if (built.length === 0) continue;
    const file = join(context, 'Dockerfile');
    const options = ['--dialect', 'dockerfile', '--pull', 'never', '-q', '-f', file, '-t', image.name];
    arch(['build', '--platform', built.join(','), ...options, ...NO_BASE, context]);
    push(image.name);
  }
}

const tagOf = (platform) => platform.split('/').slice(1).join('');

function rootfsOf(bases, machine) {
  const path = join(bases, `busybox-${machine}.tar`);
  if (!existsSync(path)) {
    mkdirSync(bases, { recursive: true });
    const made = spawnSync('sh', [join(repository, 'scripts/busybox-rootfs.sh'), machine, path]);
    if (made.status !== 0) throw new Error(`busybox-rootfs.sh ${machine}: ${String(made.stderr)}`);
  }
  return path;
}

function writeContext(context, { files, lines = [], programs = [], trees = [], modules }) {
  for (const [name, content] of Object.entries(files)) {
    const path = join(context, 'files', name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(path, content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
  }
  for (const platform of ALL) {
    const [, name] = platform.split('/');
    mkdirSync(join(context, 'arch'), { recursive: true });
    writeFileSync(join(context, 'arch', name), `${name}\n`);
  }
  for (const program of programs) copyProgram(program, join(context, 'files'));
  for (const tree of trees) cpSync(tree, join(context, 'files', tree), { recursive: true });
  if (modules) copyModules(join(context, 'files'));
  writeFileSync(
    join(context, 'Dockerfile'),
    [
      'ARG TARGETARCH',
      'ARG TARGETVARIANT',
      'FROM localhost/rootfs:${TARGETARCH}${TARGETVARIANT}',
      'COPY files/ /',
      ...lines,
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'CMD ["/bin/sh"]',
      '',
    ].join('\n'),
  );
}

function copyProgram(program, rootfs) {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  const libraries = [...(stdout ?? '').matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
  for (const path of [program, ...libraries]) {
    mkdirSync(join(rootfs, dirname(path)), { recursive: true });
    cpSync(realpathSync(path), join(rootfs, path));
  }
}

/** The modules Python loads before it reads a line. */
function copyModules(rootfs) {
  const script =
    'import sys; print("\\n".join(m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)))';
  const { stdout } = spawnSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8', cwd: '/' });
  for (const path of (stdout ?? '').split('\n').filter((line) => line.startsWith('/usr/lib/'))) {
    mkdirSync(join(rootfs, dirname(path)), { recursive: true });
    writeFileSync(join(rootfs, path), readFileSync(path));
  }
}
