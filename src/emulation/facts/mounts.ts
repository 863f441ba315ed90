/** The mount table as the kernel shows it: which file system a path is on, and with which options. */
export interface Mount {
  readonly directory: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Parses `/proc/self/mountinfo`, in mount order; lines that make no sense are left out. See proc_pid_mountinfo(5). */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ', 2);
    const directory = before.split(' ')[4];
    const options = before.split(' ')[5] ?? '';
    const type = after.split(' ')[0];
    if (directory === undefined || type === undefined || type === '') return [];
    return [{ directory: unescapePath(directory), type, options: options.split(',') }];
  });
}

/** The mount an absolute path is on: the deepest one above it, and of several in one place the last. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    if (!isBelow(path, mount.directory)) continue;
    if (found === undefined || mount.directory.length >= found.directory.length) found = mount;
  }
  return found;
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);

const unescapePath = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
