/** What is mounted, as the kernel tells it: here, and in the mount namespaces of all processes we may look at. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface MountedAt {
  readonly directory: string;
  /** What of its file system is mounted there. */
  readonly root: string;
  readonly type: string;
  /** What mount(8) calls the device; for an overlay any word its maker chose. */
  readonly source: string;
  /** Of the file system, not of the mount. */
  readonly options: readonly string[];
}

/** Parses `mountinfo`, in mount order; lines that make no sense are left out. See proc_pid_mountinfo(5). */
export function parseMountTable(text: string): MountedAt[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ', 2);
    const [root, directory] = before.split(' ').slice(3);
    const [type, source, options = ''] = after.split(' ');
    if (root === undefined || directory === undefined || type === undefined || source === undefined)
      return [];
    return [
      {
        directory: unescape(directory),
        root: unescape(root),
        type,
        source: unescape(source),
        options: options.split(','),
      },
    ];
  });
}

/** In our own mount namespace. */
export const mountTable = (): MountedAt[] => parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));

/**
 * In every mount namespace that a process is in. One of nobody (kept by a file alone) is not seen, and of other
 * users' processes only what they let us see.
 */
export function mountsEverywhere(): MountedAt[] {
  const seen = new Set<string>();
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const namespace = readlinkSync(`/proc/${name}/ns/mnt`);
      if (seen.has(namespace)) return [];
      const table = parseMountTable(readFileSync(`/proc/${name}/mountinfo`, 'utf8'));
      seen.add(namespace);
      return table;
    } catch {
      return []; // it has ended, or is not ours to look at
    }
  });
}

const unescape = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
