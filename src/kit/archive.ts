/** Writes a package: one folder, entries by name, one owner and date, compressed as the output's name says. */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { ArchBuildError } from '../errors.ts';
import { filterThrough } from '../sys/filter.ts';
import { writeOutputFile } from '../transfer/output-file.ts';
import { writeTar, type TarEntry, type TarFile } from '../transfer/tar-writer.ts';

/** 1980: tar warns of files from 1970. */
const DEFAULT_SECONDS = 315_532_800;

type Compress = (data: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** Blocks of a fixed size: the bytes then do not depend on the number of processors. */
const XZ = { program: 'xz', args: ['-6', '-c', '-T2', '--block-size=16MiB'], debianPackage: 'xz-utils' };

const BY_ENDING: readonly (readonly [ending: string, compress: Compress])[] = [
  ['.tar.xz', (data) => filterThrough(XZ, data, (reason) => new ArchBuildError('IO', `xz: ${reason}`))],
  ['.tar.gz', gzip],
  ['.tar', (data) => data],
];

export interface ArchiveOptions {
  /** The folder that everything is in. */
  readonly folder: string;
  /** Date of every entry, seconds since 1970. */
  readonly epochSeconds: number | undefined;
  /** Ends the work with INTERRUPTED at the next chunk. */
  readonly signal: AbortSignal;
}

/** Throws USAGE for a name with another ending. */
export function checkArchiveName(output: string): void {
  compressionOf(output);
}

/** Returns the archive's sha256 in hex. Throws USAGE, IO, INTERRUPTED, TOOL_MISSING without xz, and what reading the files throws. */
export async function writePackage(
  output: string,
  files: readonly TarFile[],
  { folder, epochSeconds = DEFAULT_SECONDS, signal }: ArchiveOptions,
): Promise<string> {
  const compress = compressionOf(output);
  const hash = createHash('sha256');
  const tar = writeTar(entriesOf(files, folder), { mtime: new Date(epochSeconds * 1000) });
  await writeOutputFile(output, hashed(compress(interruptible(tar, signal)), hash));
  return hash.digest('hex');
}

function compressionOf(output: string): Compress {
  const found = BY_ENDING.find(([ending]) => output.endsWith(ending));
  if (found !== undefined) return found[1];
  throw new ArchBuildError(
    'USAGE',
    `${output} must end in ${BY_ENDING.map(([ending]) => ending).join(', ')}`,
  );
}

function gzip(data: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const engine = createGzip();
  pipeline(Readable.from(data), engine, () => undefined); // an error of the source reaches the reader through it
  return engine;
}

/** Directories before what is in them, names bytewise. */
function entriesOf(files: readonly TarFile[], folder: string): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  for (const file of files) {
    const path = `${folder}/${file.path}`;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const directory = `${path.slice(0, at)}/` as const;
      entries.set(directory, { path: directory });
    }
    entries.set(path, { ...file, path });
  }
  return [...entries.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

async function* interruptible(
  data: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of data) {
    if (signal.aborted) throw new ArchBuildError('INTERRUPTED', 'interrupted');
    yield chunk;
  }
}

async function* hashed(
  data: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of data) {
    hash.update(chunk);
    yield chunk;
  }
}
