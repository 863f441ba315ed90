/** The files a package is made of, as entries of its archive. */
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TarFile } from '../transfer/tar-writer.ts';

export const PROGRAM_MODE = 0o755;

/** A file of the disk, whose mode there says nothing: `mode` is 0644 unless it is given. Links are followed. */
export function diskFile(path: string, source: string, mode?: number): TarFile {
  const { size } = statSync(source);
  const data = (): AsyncIterable<Uint8Array> => createReadStream(source, { highWaterMark: 1 << 20 });
  return { path, size, data, ...(mode === undefined ? {} : { mode }) };
}

/** Every file below `folder`, under `prefix/`. Nothing where there is no such folder. */
export function filesBelow(prefix: string, folder: string, modeOf?: (path: string) => number): TarFile[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const source = join(entry.parentPath, entry.name);
      const path = `${prefix}${source.slice(folder.length)}`;
      return diskFile(path, source, modeOf?.(path));
    });
}
