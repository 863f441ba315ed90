/** The files of an OCI layout directory, for those who want to know what else is in it. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface LayoutFiles {
  /** Regular files by path within the directory. */
  readonly files: readonly string[];
  /** Symlinks and special files, which no layout has. */
  readonly others: readonly string[];
}

/** Symlinks are not followed. */
export function listLayoutFiles(directory: string): LayoutFiles {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  const pathsOf = (chosen: typeof entries): string[] =>
    chosen.map((entry) => relative(directory, join(entry.parentPath, entry.name))).sort();
  return {
    files: pathsOf(entries.filter((entry) => entry.isFile())),
    others: pathsOf(entries.filter((entry) => !entry.isFile())),
  };
}
