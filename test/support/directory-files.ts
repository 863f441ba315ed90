/** A directory of the host as a root file system in which twins are looked for. */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import type { RootFile, RootFiles } from '../../src/emulation/twins/root-files.ts';

export function directoryFiles(root: string): RootFiles {
  return {
    lstat: (path) => {
      const hostPath = root + path;
      const stat = lstatSync(hostPath, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      const kind = kindOf(stat);
      return {
        ...{ kind, mode: stat.mode, sizeBytes: stat.size, hostPath },
        ...(kind === 'symlink' ? { linkTarget: readlinkSync(hostPath) } : {}),
      };
    },
  };
}

function kindOf(stat: Stats): RootFile['kind'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'other';
}
