/**
 * An archive of sealer v0.8 to directories: one folder for each layer, named by the layer's id, and documents beside
 * them. The archive is read once, from its beginning to its end.
 */
import { createHash, type Hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { hasSingleId, overlayNamespace } from '../sys/identity.ts';
import { applyEntries } from './apply-layer.ts';
import { cleanBytePath } from './byte-path.ts';
import { encodeGoHeader, type GoHeader } from './go-tar-header.ts';
import { BLOCK, paddingOf, type EntryType } from './tar-format.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

export interface SealerTrees {
  /** By the hexadecimal digits of a layer's id: a directory with the layer in `fs`. */
  readonly layers: ReadonlyMap<string, string>;
  /** By name. */
  readonly documents: ReadonlyMap<string, string>;
}

const LAYER = /^[0-9a-f]{64}$/;

/**
 * `stage` makes an empty directory. A layer that is there again, for another platform, is read once.
 * Throws LAYER_INVALID, ARCHIVE_INVALID for a layer whose content is not what its id says, and what the stream throws.
 */
export async function unpackSealerTrees(
  archive: AsyncIterable<Uint8Array>,
  stage: () => string,
): Promise<SealerTrees> {
  const layers = new Map<string, string>();
  const documents = new Map<string, string>();
  const groups = new Groups(readTar(archive));
  for (let name = await groups.next(); name !== undefined; name = await groups.next()) {
    if (LAYER.test(name) && !layers.has(name))
      layers.set(name, await unpackTree(groups.entries(), name, stage()));
    else for await (const entry of groups.entries()) await keepDocument(entry, { name, documents });
  }
  return { layers, documents };
}

/** Entries one folder of the archive after the other. */
class Groups {
  readonly #stream: AsyncIterator<TarEntry, undefined>;
  #pending: TarEntry | undefined;

  constructor(stream: AsyncIterator<TarEntry, undefined>) {
    this.#stream = stream;
  }

  /** What the next entry's path begins with; undefined at the end. The group before must have been read. */
  async next(): Promise<string | undefined> {
    this.#pending ??= (await this.#stream.next()).value;
    return this.#pending === undefined ? undefined : splitPath(this.#pending).folder;
  }

  /** Those of the group, their paths without the folder. */
  async *entries(): AsyncGenerator<TarEntry, void, undefined> {
    const folder = await this.next();
    while (this.#pending !== undefined) {
      const entry: TarEntry = this.#pending;
      const split = splitPath(entry);
      if (split.folder !== folder) return;
      yield { ...entry, path: split.rest };
      this.#pending = (await this.#stream.next()).value;
    }
  }
}

function splitPath({ path }: TarEntry): { readonly folder: string; readonly rest: string } {
  const clean = cleanBytePath(path);
  const slash = clean.indexOf('/');
  return slash < 0
    ? { folder: clean, rest: '' }
    : { folder: clean.slice(0, slash), rest: clean.slice(slash + 1) };
}

async function keepDocument(
  entry: TarEntry,
  { name, documents }: { readonly name: string; readonly documents: Map<string, string> },
): Promise<void> {
  const { path, type, size, content } = entry;
  if (path !== '' || type !== 'file') return;
  if (size > limitOf('manifest-bytes'))
    throw beyondLimit('ARCHIVE_INVALID', 'manifest-bytes', `${name} in the archive is too large`);
  const chunks: Uint8Array[] = content === undefined ? [] : [content];
  if (content === undefined) for await (const chunk of entry.body()) chunks.push(chunk);
  documents.set(name, Buffer.concat(chunks).toString('utf8'));
}

async function unpackTree(entries: AsyncIterable<TarEntry>, id: string, directory: string): Promise<string> {
  const target = join(directory, 'fs');
  mkdirSync(target, { mode: 0o755 });
  const seen: Seen = { hash: createHash('sha256'), symlinks: 0 };
  const options = { lowers: [], overlay: overlayNamespace(), singleOwner: hasSingleId() };
  await applyEntries(observed(entries, seen), target, options);
  const found = seen.hash.update(Buffer.alloc(2 * BLOCK)).digest('hex');
  // sealer hashes a place of its own in place of a symlink's target: such an id says nothing that could be checked
  if (found !== id && seen.symlinks === 0) {
    throw new ArchBuildError(
      'ARCHIVE_INVALID',
      `layer ${id.slice(0, 12)} has the content of ${found.slice(0, 12)}`,
      {
        hint: 'it is damaged, or sealer lost owners or special permissions when it loaded the image that it saved',
      },
    );
  }
  return directory;
}

interface Seen {
  readonly hash: Hash;
  symlinks: number;
}

/** Hands on what goes into the layer, and hashes it as sealer does. */
async function* observed(
  entries: AsyncIterable<TarEntry>,
  seen: Seen,
): AsyncGenerator<TarEntry, void, undefined> {
  for await (const entry of entries) {
    if (entry.path === '') continue; // the layer's own directory, which is in no id
    if (entry.type === 'symlink') seen.symlinks++;
    seen.hash.update(encodeGoHeader(goHeaderOf(entry)));
    const padding = Buffer.alloc(paddingOf(entry.size));
    if (entry.content !== undefined) {
      seen.hash.update(entry.content).update(padding);
      yield entry;
    } else yield { ...entry, body: () => hashedBody(entry, { hash: seen.hash, padding }) };
  }
}

async function* hashedBody(
  entry: TarEntry,
  { hash, padding }: { readonly hash: Hash; readonly padding: Buffer },
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of entry.body()) {
    hash.update(chunk);
    yield chunk;
  }
  hash.update(padding);
}

const TYPE_FLAGS: Readonly<Record<EntryType, GoHeader['type']>> = {
  file: '0',
  hardlink: '0', // sealer writes none: the id will say so
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const goHeaderOf = (entry: TarEntry): GoHeader => ({
  path: entry.path,
  type: TYPE_FLAGS[entry.type],
  mode: entry.mode,
  uid: entry.uid,
  gid: entry.gid,
  ...entry.owners(),
  size: entry.size,
  mtime: Number(entry.mtimeNs / 1_000_000_000n),
  ...(entry.linkPath === '' ? {} : { linkPath: entry.linkPath }),
  device: entry.device,
});
