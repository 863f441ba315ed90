/**
 * THE table of programs that do the same on every machine: same input, same output, byte for byte. Only they can have
 * a twin. In doubt a program is left out: it then runs as it always did, only slower.
 *
 * What disqualifies a program:
 * - it says which machine it is for, or was built for (uname, arch, compilers, perl, $HOSTTYPE of bash);
 * - it computes with long double, which has 64 bits of precision on x86, 113 on most others;
 * - it prints results of double arithmetic: other machines contract a*b+c, and the sign of a NaN differs;
 * - it reads or writes structures of C: utmp and lastlog have other layouts;
 * - it loads libraries of the image, by a path that names the machine or from LD_PRELOAD;
 * - it decides otherwise on another machine, for whatever reason: `patch --merge`;
 * - it changes what foreign libraries are found (ldconfig) or where names are looked up (chroot).
 */
export interface NeutralPrograms {
  /** Names of programs; all of the package's where absent. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  /** Where its programs are besides the usual places. */
  readonly directory?: string;
  /** Of programs that are not alike on all machines: qemu's names of those on which they are as here. */
  readonly machines?: Readonly<Record<string, readonly string[]>>;
}

/** Where programs are; a `/usr` may be in front. */
export const PROGRAM_DIRECTORIES = ['/bin', '/sbin', '/usr/bin', '/usr/sbin'];

/** 64-bit little-endian machines whose signals have the same numbers as those of x86: shells print them. */
const NEUTRAL_MACHINES = ['aarch64', 'loongarch64', 'ppc64le', 'riscv64'];

/** Why no program of the machine has a twin, as in `not accelerated: …`. */
export const machineFault = (arch: string): string | undefined =>
  NEUTRAL_MACHINES.includes(arch) ? undefined : `no program of ${arch} is known to do the same natively`;

const COREUTILS_EXCEPT = [
  ...['uname', 'arch'], // say which machine it is
  ...['printf', 'seq', 'numfmt', 'od', 'df'], // long double
  'sort', // long double with -g
  ...['who', 'users', 'pinky', 'uptime', 'logname'], // utmp
  'stdbuf', // preloads a library of the image
  'chroot', // looks names up in a root nobody has looked at
  'stty', // its settings are those of the machine it was built for
  ...['chcon', 'runcon'], // need SELinux, so nobody has compared them
];

/** What zstd's library writes depends on whether the machine it was built for has vectors of 128 bits. */
const WITH_VECTORS = ['aarch64'];

/** By the name of Debian's package. */
export const NEUTRAL_PACKAGES: Readonly<Record<string, NeutralPrograms>> = {
  apt: {
    only: ['copy', 'file', 'gpgv', 'http', 'store'], // what they are to do comes through a pipe
    directory: '/usr/lib/apt/methods',
    machines: { store: WITH_VECTORS },
  },
  bzip2: {},
  coreutils: { except: COREUTILS_EXCEPT },
  cpio: { only: ['cpio'] },
  dash: {},
  debianutils: { only: ['run-parts'] },
  diffutils: {},
  dpkg: {
    only: ['dpkg-deb', 'update-alternatives'], // the others know their architecture; so does dpkg-deb --version
    machines: { 'dpkg-deb': WITH_VECTORS },
  },
  findutils: {},
  gpgv: {},
  grep: {},
  gzip: {},
  lz4: {},
  pigz: {},
  sed: {},
  tar: {},
  unzip: { except: ['unzipsfx'] }, // reads itself
  'util-linux': { only: ['flock', 'getopt', 'rev'] }, // most others look at the machine
  'xz-utils': {},
  zip: {},
  zstd: { only: ['zstd'], machines: { zstd: WITH_VECTORS } },
};
