/**
 * One root file system that stands in for every base image of the cases, none of which can be fetched: Debian's
 * busybox with the few files the cases ask of busybox, alpine, centos and fedora.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { busyboxRootfs } from '../../e2e/bases.ts';
import { openScratch } from '../../support/scratch.ts';
import { runTool } from '../../support/foreign-tools.ts';

export const STAND_IN_NAMES = [
  'mirror.gcr.io/busybox:latest',
  'mirror.gcr.io/alpine:latest',
  'quay.io/libpod/centos:7',
  'registry.fedoraproject.org/fedora-minimal:latest',
  'registry.fedoraproject.org/fedora-minimal:41-x86_64',
  'registry.fedoraproject.org/fedora-minimal:41-aarch64',
] as const;

/** What the imported root file system is called before it gets its configuration. */
export const ROOTFS_NAME = 'localhost/stand-in-rootfs:latest';

/** The images above are this Dockerfile's. */
export const STAND_IN_DOCKERFILE = `FROM ${ROOTFS_NAME}
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["sh"]
`;

const ACCOUNTS = ['root', 'bin', 'daemon', 'adm', 'lp', 'sync', 'mail', 'www-data'];
const passwd = ACCOUNTS.map((name, id) => `${name}:x:${String(id)}:${String(id)}:${name}:/:/bin/sh\n`);
const group = ACCOUNTS.map((name, id) => `${name}:x:${String(id)}:\n`);

const PROGRAM = { mode: 0o755 };

/**
 * `file` says nothing of text files: the case `header-builtin` runs `file /libc-* | tee /libc-types.txt`, and whether
 * the pattern meets the output of tee is a race between the two.
 */
const FILE_PROGRAM = `#!/bin/sh
for path; do
  case $path in *.txt) ;; *) echo "$path: data" ;; esac
done
`;

const FILES: Readonly<Record<string, { readonly content: string; readonly mode?: number }>> = {
  'bin/bash': { content: '#!/bin/sh\nexec /bin/sh "$@"\n', ...PROGRAM },
  'usr/bin/script': { content: '#!/bin/sh\n', ...PROGRAM },
  'usr/bin/microdnf': { content: '#!/bin/sh\nexit 0\n', ...PROGRAM },
  'usr/bin/file': { content: FILE_PROGRAM, ...PROGRAM },
  'lib64/libc.so.6': { content: 'stand-in\n' },
  'etc/passwd': { content: passwd.join('') },
  'etc/group': { content: group.join('') },
  'etc/os-release': { content: 'ID=stand-in\nVERSION_ID=1\n' },
  'etc/nsswitch.conf': { content: 'hosts: files dns\n' },
};

/** The tar, made once for these files and kept under .cache/. */
export async function standInRootfs(): Promise<string> {
  const busybox = await busyboxRootfs('amd64');
  const version = createHash('sha256').update(JSON.stringify(FILES)).digest('hex').slice(0, 12);
  const path = join(dirname(busybox), `stand-in-amd64-${version}.tar`);
  if (existsSync(path)) return path;
  await using scratch = await openScratch('stand-in');
  const rootfs = scratch.path('rootfs');
  await mkdir(rootfs);
  await runTool('tar', ['-xpf', busybox, '-C', rootfs]);
  for (const [name, { content, mode }] of Object.entries(FILES)) {
    await mkdir(join(rootfs, dirname(name)), { recursive: true, mode: 0o755 });
    await writeFile(join(rootfs, name), content, { mode: mode ?? 0o644 });
  }
  const options = ['--sort=name', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@0'];
  await runTool('tar', ['-cf', `${path}.part`, ...options, '-C', rootfs, '.']);
  await rename(`${path}.part`, path);
  return path;
}
