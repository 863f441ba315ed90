import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../../src/emulation/architecture.ts';
import { findTwins, type TwinSet } from '../../../src/emulation/twins/find-twins.ts';
import type { RootFiles } from '../../../src/emulation/twins/root-files.ts';
import { directoryFiles } from '../../support/directory-files.ts';
import {
  ARM,
  md5,
  openImagePair,
  POWER,
  programFor,
  put,
  X86,
  type Change,
  type ImagePair,
} from './image-pair.ts';
import { linkedProgram } from './linked-program.ts';

const MACHINES = { foreign: architectureByName(ARM.arch)!, native: architectureByName(X86.arch)! };
const ALL = ['[', 'cat', 'grep', 'gzip'];

const find = (
  { foreign, native }: ImagePair,
  files: (root: string) => RootFiles = directoryFiles,
): TwinSet | string => findTwins(files(foreign), files(native), MACHINES);

/** Names of the twins, or why there are none. */
function namesIn(pair: ImagePair): string[] | string {
  const set = find(pair);
  return typeof set === 'string' ? set : set.programs.map(({ name }) => name).sort();
}

const without = (...names: string[]): string[] => ALL.filter((name) => !names.includes(name));

const arm: (change: Change) => Change = (change) => (packages, machine) => {
  if (machine === ARM) change(packages, machine);
};
const x86: (change: Change) => Change = (change) => (packages, machine) => {
  if (machine === X86) change(packages, machine);
};

describe('twins of a sound pair', () => {
  it('are all neutral programs, with loader, libraries and guards', async () => {
    await using pair = await openImagePair();
    const set = find(pair) as TwinSet;
    expect(namesIn(pair)).toEqual(ALL);
    expect(set.programs.map(({ hostPath }) => hostPath.slice(pair.native.length)).sort()).toEqual([
      '/bin/cat',
      '/bin/grep',
      '/bin/gzip',
      '/usr/bin/[',
    ]);
    expect(set.loader).toBe(`${pair.native}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`);
    expect(set.libraries).toEqual([
      { name: 'libc.so.6', hostPath: `${pair.native}/lib/x86_64-linux-gnu/libc.so.6` },
      { name: 'libnss_files.so.2', hostPath: `${pair.native}/lib/x86_64-linux-gnu/libnss_files.so.2` },
      { name: 'libpcre.so.0', hostPath: `${pair.native}/usr/lib/x86_64-linux-gnu/libpcre.so.0` },
    ]);
    const guards = set.guards.map(({ path, facts }) => `${facts === undefined ? 'absent' : 'as is'} ${path}`);
    expect(guards.slice(0, 2)).toEqual(['absent /etc/ld.so.preload', 'as is /etc/nsswitch.conf']);
    expect(guards).toContain('absent /lib/aarch64-linux-gnu/libnss_dns.so.2');
    expect(guards).toContain('absent /usr/lib/aarch64-linux-gnu/libnss_dns.so.2');
    expect(guards.join()).not.toMatch(/mdns4|UNAVAIL|libnss_files/);
    const inodes = set.programs.map(({ facts }) => facts.inode);
    expect(inodes).toEqual([...inodes].sort((a, b) => Number(a - b)));
  });

  it('are found through the links of a merged /usr, whichever way dpkg lists them', async () => {
    await using pair = await openImagePair();
    for (const root of [pair.foreign, pair.native]) {
      for (const name of ['cat', 'grep', 'gzip', 'uname'])
        renameSync(`${root}/bin/${name}`, `${root}/usr/bin/${name}`);
      rmSync(`${root}/bin`, { recursive: true });
      symlinkSync('usr/bin', `${root}/bin`);
    }
    expect(namesIn(pair)).toEqual(ALL);
  });

  it('may name a directory for libraries that is the usual one anyway', async () => {
    await using pair = await openImagePair(
      x86((packages) => {
        const interpreter = `/lib/${X86.triplet}/${X86.loader}`;
        const program = linkedProgram({
          ...{ interpreter, needed: ['libc.so.6'], runpath: `/usr/lib/${X86.triplet}` },
        });
        packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': program } };
      }),
    );
    mkdirSync(`${pair.native}/usr/lib/${X86.triplet}`, { recursive: true });
    expect(namesIn(pair)).toEqual(ALL);
  });

  it.each([
    [ARM, [...ALL, 'dpkg-deb', 'store', 'zstd']],
    [POWER, ALL],
  ])('compress with zstd only where it finds the same matches: $arch', async (machine, expected) => {
    const programs = {
      apt: '/usr/lib/apt/methods/store',
      dpkg: '/usr/bin/dpkg-deb',
      zstd: '/usr/bin/zstd',
    };
    await using pair = await openImagePair((packages, own) => {
      for (const [name, path] of Object.entries(programs))
        packages[name] = { version: '1', files: { [path]: programFor(own, name) } };
    }, machine);
    const machines = { ...MACHINES, foreign: architectureByName(machine.arch)! };
    const set = findTwins(directoryFiles(pair.foreign), directoryFiles(pair.native), machines) as TwinSet;
    expect(set.programs.map(({ name }) => name).sort()).toEqual([...expected].sort());
  });

  it('stand for every name of a file, and for none when it has another one', async () => {
    await using pair = await openImagePair((packages, machine) => {
      const content = programFor(machine, 'bzip2');
      packages.bzip2 = { version: '1', files: { '/bin/bunzip2': content, '/bin/bzip2': content } };
    });
    rmSync(`${pair.foreign}/bin/bzip2`);
    linkSync(`${pair.foreign}/bin/bunzip2`, `${pair.foreign}/bin/bzip2`);
    linkSync(`${pair.foreign}/bin/gzip`, `${pair.foreign}/bin/perl`);
    expect(namesIn(pair)).toEqual(['[', 'bunzip2', 'cat', 'grep']);
  });

  it('are told apart when they have the same name', async () => {
    await using pair = await openImagePair((packages, machine) => {
      packages.sed = { version: '1', files: { '/usr/bin/cat': programFor(machine, 'another') } };
    });
    expect(namesIn(pair)).toEqual(['[', 'cat', 'cat-2', 'grep', 'gzip']);
  });
});

describe('a program has no twin when', () => {
  it.each<[string, Change, string[]]>([
    [
      'the versions differ',
      arm((packages) => (packages.gzip = { ...packages.gzip!, version: '1.12-1+b1' })),
      ['gzip'],
    ],
    [
      'it is not wholly installed',
      x86((packages) => (packages.gzip = { ...packages.gzip!, status: 'install ok unpacked' })),
      ['gzip'],
    ],
    ['the native image lacks the package', x86((packages) => delete packages.gzip), ['gzip']],
    [
      "a library's version differs",
      arm((packages) => (packages.libpcre = { ...packages.libpcre!, version: '11' })),
      ['grep'],
    ],
    [
      'a library is not there',
      x86((packages) => (packages.libpcre = { version: '10', files: {} })),
      ['grep'],
    ],
    [
      'the native one is another machine’s',
      x86(
        (packages) =>
          (packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': programFor(ARM, 'gzip') } }),
      ),
      ['gzip'],
    ],
    [
      'the foreign one is native',
      arm(
        (packages) =>
          (packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': programFor(X86, 'gzip') } }),
      ),
      ['gzip'],
    ],
    [
      'the native one is static',
      x86((packages) => (packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': linkedProgram({}) } })),
      ['gzip'],
    ],
    [
      'the native one has a loader of its own',
      x86((packages) => {
        const program = linkedProgram({ interpreter: '/lib/ld-musl.so', needed: ['libc.so.6'] });
        packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': program } };
      }),
      ['gzip'],
    ],
    [
      'the native one looks for libraries elsewhere',
      x86((packages) => {
        const interpreter = `/lib/${X86.triplet}/${X86.loader}`;
        const program = linkedProgram({ interpreter, needed: ['libc.so.6'], runpath: '/usr/lib/gzip' });
        packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': program } };
      }),
      ['gzip'],
    ],
    [
      'it is a script',
      (packages) => (packages.gzip = { ...packages.gzip!, files: { '/bin/gzip': '#!/bin/sh\n' } }),
      ['gzip'],
    ],
    [
      'it is elsewhere in the native image',
      x86(
        (packages, machine) =>
          (packages.gzip = { ...packages.gzip!, files: { '/usr/bin/gzip': programFor(machine, 'gzip') } }),
      ),
      ['gzip'],
    ],
  ])('%s', async (_name, change, missing) => {
    await using pair = await openImagePair(change);
    expect(namesIn(pair)).toEqual(without(...missing));
  });

  it.each<[string, (pair: ImagePair) => void, string[]]>([
    ['somebody has replaced it', ({ foreign }) => appendFileSync(`${foreign}/bin/gzip`, '!'), ['gzip']],
    [
      'somebody has replaced the native one',
      ({ native }) => appendFileSync(`${native}/bin/gzip`, '!'),
      ['gzip'],
    ],
    [
      'somebody has replaced a library of it',
      ({ foreign }) => appendFileSync(`${foreign}/usr/lib/aarch64-linux-gnu/libpcre.so.0`, '!'),
      ['grep'],
    ],
    ['it is setuid', ({ foreign }) => chmodSync(`${foreign}/bin/gzip`, 0o4755), ['gzip']],
    ['it is setgid', ({ foreign }) => chmodSync(`${foreign}/bin/gzip`, 0o2755), ['gzip']],
    ['not everybody may start it', ({ foreign }) => chmodSync(`${foreign}/bin/gzip`, 0o750), ['gzip']],
    [
      'it is diverted',
      ({ foreign }) =>
        put(foreign, '/var/lib/dpkg/diversions', '/bin/gzip\n/bin/gzip.real\n:\n/x\n/bin/cat\nother\n'),
      ['cat', 'gzip'],
    ],
    [
      'the native one is diverted',
      ({ native }) => put(native, '/var/lib/dpkg/diversions', '/bin/gzip\n/bin/gzip.real\n:\n'),
      ['gzip'],
    ],
    [
      'dpkg has no checksums of it',
      ({ foreign }) => rmSync(`${foreign}/var/lib/dpkg/info/gzip.md5sums`),
      ['gzip'],
    ],
    [
      'dpkg does not list it',
      ({ foreign }) => put(foreign, '/var/lib/dpkg/info/gzip.list', '/.\n'),
      ['gzip'],
    ],
  ])('%s', async (_name, harm, missing) => {
    await using pair = await openImagePair();
    harm(pair);
    expect(namesIn(pair)).toEqual(without(...missing));
  });

  it('it has capabilities', async () => {
    await using pair = await openImagePair();
    const files = (root: string): RootFiles => ({
      lstat: (path) => {
        const file = directoryFiles(root).lstat(path);
        return file && { ...file, hasCapabilities: path === '/bin/gzip' && root === pair.foreign };
      },
    });
    const set = find(pair, files) as TwinSet;
    expect(set.programs.map(({ name }) => name).sort()).toEqual(without('gzip'));
  });
});

const DPKG = '/var/lib/dpkg';

describe('there are no twins at all, and a reason, when', () => {
  it.each<[string, (pair: ImagePair) => void, RegExp]>([
    [
      'the foreign image is not dpkg’s',
      ({ foreign }) => rmSync(`${foreign}${DPKG}/status`),
      /^its packages are not dpkg's$/,
    ],
    [
      'the native image is not dpkg’s',
      ({ native }) => rmSync(`${native}${DPKG}`, { recursive: true }),
      /x86_64.* not dpkg's$/,
    ],
    ['the status is empty', ({ foreign }) => writeFileSync(`${foreign}${DPKG}/status`, ''), /not dpkg's/],
    [
      'the status is a directory',
      ({ foreign }) => {
        rmSync(`${foreign}${DPKG}/status`);
        mkdirSync(`${foreign}${DPKG}/status`);
      },
      /not dpkg's/,
    ],
    [
      'everything is preloaded',
      ({ foreign }) => put(foreign, '/etc/ld.so.preload', '/x.so'),
      /ld\.so\.preload/,
    ],
    [
      'a name service is only in the foreign image',
      ({ foreign }) => {
        put(foreign, '/etc/nsswitch.conf', 'passwd: files systemd');
        put(foreign, '/usr/lib/aarch64-linux-gnu/libnss_systemd.so.2', 'x');
      },
      /name services/,
    ],
    [
      'the name services cannot be read',
      ({ foreign }) => {
        rmSync(`${foreign}/etc/nsswitch.conf`);
        symlinkSync('nsswitch.conf', `${foreign}/etc/nsswitch.conf`);
      },
      /name services/,
    ],
    [
      'the native loader is not its own',
      ({ native }) => appendFileSync(`${native}/lib/${X86.triplet}/${X86.loader}`, '!'),
      /C library/,
    ],
  ])('%s', async (_name, harm, reason) => {
    await using pair = await openImagePair();
    harm(pair);
    expect(namesIn(pair)).toEqual(expect.stringMatching(reason));
  });

  it.each(['2.32-1', '1.99', 'rubbish', '2'])('the C library is %s', async (version) => {
    await using pair = await openImagePair((packages) => (packages.libc6 = { ...packages.libc6!, version }));
    expect(namesIn(pair)).toMatch(/glibc 2\.33 or later/);
  });

  it.each(['2.33-0ubuntu1', '2.41', '3.0', '1:2.40'])('but not when it is %s', async (version) => {
    await using pair = await openImagePair((packages) => (packages.libc6 = { ...packages.libc6!, version }));
    expect(namesIn(pair)).toEqual(ALL);
  });

  it('no program is the same', async () => {
    await using pair = await openImagePair(
      x86((packages) => {
        delete packages.gzip;
        delete packages.grep;
        delete packages.coreutils;
      }),
    );
    expect(namesIn(pair)).toMatch(/none of its programs/);
  });

  it.each(['s390x', 'arm', 'mips64el', 'ppc64', 'i386'])('the machine is %s', (arch) => {
    const nothing: RootFiles = { lstat: () => undefined };
    const reason = findTwins(nothing, nothing, { ...MACHINES, foreign: architectureByName(arch)! });
    expect(reason).toContain(arch);
  });
});

describe('hostile images', () => {
  it.each<[string, (root: string) => void]>([
    [
      'links in a circle',
      (root) => {
        rmSync(`${root}/bin`, { recursive: true });
        symlinkSync('sbin', `${root}/bin`);
        symlinkSync('bin', `${root}/sbin`);
      },
    ],
    [
      'a link out of the root',
      (root) => {
        rmSync(`${root}/bin`, { recursive: true });
        symlinkSync('../../../../../../../../../../bin', `${root}/bin`);
      },
    ],
    [
      'a list of paths that lead outside',
      (root) =>
        put(
          root,
          `${DPKG}/info/coreutils.list`,
          '/../../../../bin/cat\n/bin/../../../../../bin/cat\n/bin/..\n/\n//\n/bin/a b\n/bin/\n',
        ),
    ],
    [
      'a status that ends in the middle',
      (root) => put(root, `${DPKG}/status`, 'Package: libc6\nStatus: install ok inst'),
    ],
    ['a status of zeros', (root) => put(root, `${DPKG}/status`, '\0'.repeat(100_000))],
    [
      'a package named like a path',
      (root) =>
        appendFileSync(
          `${root}${DPKG}/status`,
          'Package: ../../../etc/x\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\n',
        ),
    ],
    [
      'packages that depend on each other',
      (root) =>
        appendFileSync(
          `${root}${DPKG}/status`,
          ['a', 'b']
            .map(
              (name) =>
                `Package: ${name}\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nDepends: a, b, libc6\n`,
            )
            .join('\n'),
        ),
    ],
    [
      'checksums of nonsense',
      (root) => put(root, `${DPKG}/info/gzip.md5sums`, `${'0'.repeat(32)}  ../x\n\0\n${'z'.repeat(40)}\n`),
    ],
  ])('with %s do no harm', async (_name, harm) => {
    await using pair = await openImagePair();
    harm(pair.foreign);
    const names = namesIn(pair);
    if (typeof names === 'string')
      expect(names).toMatch(/dpkg's|C library|none of its programs|name services/);
    else expect(ALL).toEqual(expect.arrayContaining(names));
    expect(names).not.toContain('cat-2');
  });

  it('with damaged programs lose a twin at most', async () => {
    await using pair = await openImagePair();
    const whole = programFor(X86, 'gzip');
    for (let at = 0; at < whole.length; at += 5) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(0xff ^ damaged.readUInt8(at), at);
      for (const content of [damaged, whole.subarray(0, at)]) {
        put(pair.native, '/bin/gzip', content);
        put(pair.native, `${DPKG}/info/gzip.md5sums`, `${md5(content)}  bin/gzip\n`);
        expect([ALL, without('gzip')]).toContainEqual(namesIn(pair));
      }
    }
  });
});
