/**
 * Registration at boot: a file in /etc/binfmt.d, which systemd-binfmt reads. binfmt-support keeps a database of its own
 * instead, and where it is installed it manages the table: both at once undo each other's work.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { writeFileAtomic } from '../../sys/atomic-file.ts';
import { formatEntry, type Registration } from '../binfmt-entry.ts';

export type BootManager = 'systemd-binfmt' | 'binfmt-support';

/** `root` is the host's root directory everywhere here. Undefined when nothing registers at boot. */
export function bootManager(root: string): BootManager | undefined {
  const has = (path: string): boolean => existsSync(join(root, path));
  if (has('usr/sbin/update-binfmts') || has('usr/bin/update-binfmts')) return 'binfmt-support';
  return SYSTEMD.some(has) ? 'systemd-binfmt' : undefined;
}

/** The folder counts too: whoever made it will have a systemd that reads it. */
const SYSTEMD = ['usr/lib/systemd/systemd-binfmt', 'lib/systemd/systemd-binfmt', 'etc/binfmt.d'];

const PERSISTENT = /^arch-build-(?<arch>[a-z0-9_]+)-persistent$/;

/** Not the name of a build's entry: neither must ever take the other for its own. */
export const persistentNameOf = (arch: string): string => `arch-build-${arch}-persistent`;
export const isPersistentName = (name: string): boolean => PERSISTENT.test(name);

const dropInPath = (root: string, arch: string): string =>
  join(root, 'etc/binfmt.d', `arch-build-${arch}.conf`);

const HEADER =
  '# written by `arch-build binfmt register --persist`; `arch-build binfmt unregister` removes it';

/** Throws HOST_INCAPABLE when systemd-binfmt is not what registers at boot here. */
export function requireDropIns(root: string, registration: Registration): void {
  const manager = bootManager(root);
  if (manager === 'systemd-binfmt') return;
  if (manager === undefined) {
    throw new ArchBuildError('HOST_INCAPABLE', 'nothing on this host registers entries at boot', {
      hint: 'run `arch-build binfmt register` without --persist from your own boot scripts',
    });
  }
  throw new ArchBuildError(
    'HOST_INCAPABLE',
    'binfmt-support registers entries at boot here, not systemd-binfmt',
    {
      hint: `use its own command: ${updateBinfmts(registration)}`,
    },
  );
}

/** The path. Throws HOST_INCAPABLE (see above), BINFMT when the file is somebody else's, IO. */
export function writeDropIn(root: string, arch: string, registration: Registration): string {
  requireDropIns(root, registration);
  const path = dropInPath(root, arch);
  const before = read(path);
  if (before !== undefined && !isOurs(before)) {
    throw new ArchBuildError('BINFMT', `${path} was not written by arch-build`, { hint: 'move it away' });
  }
  if (registration.interpreter.includes('\n')) {
    throw new ArchBuildError(
      'BINFMT',
      'an emulator with a line break in its path cannot be registered at boot',
    );
  }
  const text = `${HEADER}\n${formatEntry(registration)}\n`;
  try {
    if (before !== text) writeFileAtomic(path, text);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === undefined) throw cause;
    throw new ArchBuildError('IO', `cannot write ${path}: ${code}`, { cause });
  }
  return path;
}

/** The path of what was removed. */
export function removeDropIn(root: string, arch: string): string | undefined {
  const path = dropInPath(root, arch);
  const text = read(path);
  if (text === undefined || !isOurs(text)) return undefined;
  rmSync(path);
  return path;
}

export interface ConfiguredEntry {
  readonly path: string;
  readonly interpreter: string;
  /** The file is ours. */
  readonly ours: boolean;
}

/** What systemd-binfmt registers, by name. A file hides those of the same name in folders that come later. */
export function configuredEntries(root: string): Map<string, ConfiguredEntry> {
  const found = new Map<string, ConfiguredEntry>();
  const seen = new Set<string>();
  for (const folder of FOLDERS) {
    for (const file of list(join(root, folder))) {
      if (!file.endsWith('.conf') || seen.has(file)) continue;
      seen.add(file);
      const path = join(root, folder, file);
      const text = read(path) ?? '';
      for (const { name, interpreter } of parseConfig(text))
        if (!found.has(name)) found.set(name, { path, interpreter, ours: isOurs(text) });
    }
  }
  return found;
}

const FOLDERS = [
  'etc/binfmt.d',
  'run/binfmt.d',
  'usr/local/lib/binfmt.d',
  'usr/lib/binfmt.d',
  'lib/binfmt.d',
];

/** Lines for `register`; their first character is their delimiter. */
export function parseConfig(text: string): { name: string; interpreter: string }[] {
  return text.split('\n').flatMap((line) => {
    const [delimiter] = line;
    if (delimiter === undefined || '#; \t'.includes(delimiter)) return [];
    const [, name, , , , , interpreter] = line.split(delimiter);
    return name === undefined || name === '' || interpreter === undefined ? [] : [{ name, interpreter }];
  });
}

const isOurs = (text: string): boolean => text.startsWith(`${HEADER}\n`);

function updateBinfmts({ name, magic, mask, interpreter }: Registration): string {
  const escaped = (hex: string): string => `'${hex.replaceAll(/../g, String.raw`\x$&`)}'`;
  const match = `--offset 0 --magic ${escaped(magic)} --mask ${escaped(mask)}`;
  return `update-binfmts --install ${name} ${interpreter} ${match} --credentials yes --preserve yes --fix-binary yes`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
