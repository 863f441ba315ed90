/** The same small Debian for two machines, as directories: what twins are looked for in. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { openScratch, type Scratch } from '../../support/scratch.ts';
import { linkedProgram } from './linked-program.ts';

export interface Machine {
  readonly arch: string;
  readonly debian: string;
  readonly triplet: string;
  readonly loader: string;
}

export const ARM: Machine = {
  arch: 'aarch64',
  debian: 'arm64',
  triplet: 'aarch64-linux-gnu',
  loader: 'ld-linux-aarch64.so.1',
};
export const X86: Machine = {
  arch: 'x86_64',
  debian: 'amd64',
  triplet: 'x86_64-linux-gnu',
  loader: 'ld-linux-x86-64.so.2',
};

export const POWER: Machine = {
  arch: 'ppc64le',
  debian: 'ppc64el',
  triplet: 'powerpc64le-linux-gnu',
  loader: 'ld64.so.2',
};

export interface PackageSpec {
  readonly version: string;
  readonly depends?: string;
  readonly status?: string;
  /** By path as dpkg lists it, which is where it is: these roots have no merged /usr unless they are given links. */
  readonly files: Readonly<Record<string, Buffer | string>>;
}

export interface ImagePair extends AsyncDisposable {
  readonly foreign: string;
  readonly native: string;
  readonly scratch: Scratch;
}

/** Changes what is written; called once for each machine. */
export type Change = (packages: Record<string, PackageSpec>, machine: Machine) => void;

export async function openImagePair(change: Change = () => undefined, machine = ARM): Promise<ImagePair> {
  const scratch = await openScratch('twins');
  for (const [name, own] of [
    ['foreign', machine],
    ['native', X86],
  ] as const) {
    const packages = soundPackages(own);
    change(packages, own);
    writeRoot(scratch.path(name), own, packages);
  }
  const [foreign, native] = [scratch.path('foreign'), scratch.path('native')];
  return { foreign, native, scratch, [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
}

export const programFor = (
  { arch, triplet, loader }: Machine,
  content: string,
  needed = ['libc.so.6'],
): Buffer => linkedProgram({ arch, interpreter: `/lib/${triplet}/${loader}`, needed, content });

function soundPackages(machine: Machine): Record<string, PackageSpec> {
  const { arch, triplet, loader } = machine;
  const interpreter = `/lib/${triplet}/${loader}`;
  const lib = `/lib/${triplet}`;
  return {
    libc6: {
      version: '2.36-9',
      files: {
        [interpreter]: linkedProgram({ arch, needed: [], content: 'loader' }),
        [`${lib}/libc.so.6`]: linkedProgram({ arch, interpreter, needed: [loader], content: 'libc' }),
        [`${lib}/libnss_files.so.2`]: linkedProgram({ arch, needed: ['libc.so.6'], content: 'files' }),
      },
    },
    libpcre: {
      version: '10',
      files: { [`/usr${lib}/libpcre.so.0`]: linkedProgram({ arch, needed: ['libc.so.6'], content: 'pcre' }) },
    },
    gzip: {
      version: '1.12-1',
      depends: 'libc6 (>= 2.34)',
      files: { '/bin/gzip': programFor(machine, 'gzip') },
    },
    grep: {
      version: '3.8-5',
      depends: 'libc6 (>= 2.34), libpcre (>= 10) | libpcre-other',
      files: { '/bin/grep': programFor(machine, 'grep', ['libpcre.so.0', 'libc.so.6']) },
    },
    coreutils: {
      version: '9.1-1',
      depends: 'libc6',
      files: {
        '/bin/cat': programFor(machine, 'cat'),
        '/bin/uname': programFor(machine, 'uname'),
        '/usr/bin/[': programFor(machine, '['),
      },
    },
  };
}

function writeRoot(root: string, { debian }: Machine, packages: Readonly<Record<string, PackageSpec>>): void {
  let status = '';
  for (const [name, { version, depends, status: state = 'install ok installed', files }] of Object.entries(
    packages,
  )) {
    status += `Package: ${name}\nStatus: ${state}\nArchitecture: ${debian}\nVersion: ${version}\n`;
    status += `${depends === undefined ? '' : `Depends: ${depends}\n`}Description: it\n .\n Package: other\n\n`;
    let sums = '';
    for (const [path, content] of Object.entries(files)) {
      put(root, path, content);
      chmodSync(root + path, 0o755);
      sums += `${md5(content)}  ${path.slice(1)}\n`;
    }
    put(root, `/var/lib/dpkg/info/${name}.list`, ['/.', ...Object.keys(files), ''].join('\n'));
    put(root, `/var/lib/dpkg/info/${name}.md5sums`, sums);
  }
  put(root, '/var/lib/dpkg/status', status);
  put(root, '/etc/nsswitch.conf', 'passwd: files\nhosts: files [!UNAVAIL=return] dns # mdns4\n');
}

export const md5 = (content: Buffer | string): string => createHash('md5').update(content).digest('hex');

export function put(root: string, path: string, content: Buffer | string): void {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, content);
}
