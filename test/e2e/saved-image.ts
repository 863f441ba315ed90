/**
 * What an image really holds, read from the archive that `save` writes and not from our own store: documents by
 * following descriptors from index.json, layers as listings of their tars.
 */
import { createHash } from 'node:crypto';
import { readFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as tar from 'tar';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';

export interface SavedImage {
  readonly config: ImageDocument;
  readonly layers: readonly LayerEntries[];
  /** The tars of the layers in it, the lowest first. */
  readonly layerFiles: readonly string[];
  /** The layout `save` wrote, unpacked. */
  readonly directory: string;
}

/** Of the image config, what tests look at. */
export interface ImageDocument {
  readonly architecture: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly {
    created_by: string;
    created: string;
    empty_layer?: boolean;
    comment?: string;
  }[];
}

/**
 * Path to `TYPE MODE UID:GID [CONTENT or TARGET]`, in the order of the tar, for example
 * `{ 'etc/': 'dir 0755 0:0', 'etc/x': 'file 0644 0:0 text' }`.
 */
export type LayerEntries = Readonly<Record<string, string>>;

interface Described {
  readonly digest: string;
  readonly platform?: { readonly architecture: string; readonly variant?: string };
}

let count = 0;

/** The only image of the archive, or the one for `architecture`. Layers have to match their digests and diff_ids. */
export async function readSaved(cli: Cli, name: string, architecture?: string): Promise<SavedImage> {
  const archive = cli.scratch.path(`saved-${String(++count)}.tar`);
  await cli.run(['save', '-o', archive, name]);
  return readArchive(archive, architecture);
}

/** The same of an OCI archive; it is unpacked beside it. */
export async function readArchive(archive: string, architecture?: string): Promise<SavedImage> {
  const directory = `${archive}.d`;
  await mkdir(directory);
  await runTool('tar', ['-xf', archive, '-C', directory]);
  const top = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as { manifests: Described[] };
  return readImage(directory, top.manifests, architecture);
}

async function readImage(
  directory: string,
  choices: readonly Described[],
  architecture: string | undefined,
): Promise<SavedImage> {
  const chosen =
    choices.find(({ platform }) => platform !== undefined && platform.architecture === architecture) ??
    choices[0]!;
  const document = JSON.parse((await readBlob(directory, chosen.digest)).toString('utf8')) as {
    manifests?: Described[];
    config: Described;
    layers: Described[];
  };
  if (document.manifests !== undefined) return readImage(directory, document.manifests, architecture);
  const config = JSON.parse(
    (await readBlob(directory, document.config.digest)).toString('utf8'),
  ) as ImageDocument;
  const layers: LayerEntries[] = [];
  for (const layer of document.layers) layers.push(await listLayer(await readBlob(directory, layer.digest)));
  const layerFiles = document.layers.map(({ digest }) => blobPath(directory, digest));
  return { config, layers, layerFiles, directory };
}

const blobPath = (directory: string, digest: string): string =>
  join(directory, 'blobs', digest.replace(':', '/'));

async function readBlob(directory: string, digest: string): Promise<Buffer> {
  const bytes = await readFile(blobPath(directory, digest));
  const actual = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (actual !== digest) throw new Error(`${digest} has the content of ${actual}`);
  return bytes;
}

const TYPES: Readonly<Record<string, string>> = {
  File: 'file',
  OldFile: 'file',
  Directory: 'dir',
  SymbolicLink: 'symlink',
  Link: 'link',
  FIFO: 'fifo',
  CharacterDevice: 'char',
  BlockDevice: 'block',
};

const LONGEST_CONTENT = 200;

async function listLayer(bytes: Buffer): Promise<LayerEntries> {
  const entries: Record<string, string> = {};
  const parser = new tar.Parser({ strict: true });
  const waiting: Promise<void>[] = [];
  parser.on('entry', (entry: tar.ReadEntry) => {
    if (entry.path in entries) throw new Error(`${entry.path} is twice in a layer`);
    entries[entry.path] = '';
    waiting.push(describe(entry).then((text) => void (entries[entry.path] = text)));
  });
  await new Promise((resolve, reject) => {
    parser.on('end', resolve).on('error', reject);
    parser.end(bytes);
  });
  await Promise.all(waiting);
  return entries;
}

async function describe(entry: tar.ReadEntry): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  const mode = (entry.mode ?? 0).toString(8).padStart(4, '0');
  const content = Buffer.concat(chunks).toString('utf8').slice(0, LONGEST_CONTENT);
  const rest = entry.linkpath === undefined || entry.linkpath === '' ? content : `-> ${entry.linkpath}`;
  return `${TYPES[entry.type] ?? entry.type} ${mode} ${String(entry.uid)}:${String(entry.gid)} ${rest}`.trim();
}
