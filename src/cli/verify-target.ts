/** What `verify` is pointed at: an image of the store, an archive, or an OCI layout. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { storeContent } from '../layer/image-content.ts';
import { surveyArchive } from '../layer/survey-archive.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseIndex } from '../oci/manifest.ts';
import { verifyLayout } from '../oci/verify-layout.ts';
import type { Finding } from '../oci/verify.ts';
import type { Store } from '../store/store.ts';
import { parseDockerManifest } from '../transfer/docker-manifest.ts';
import { openImageArchive } from '../transfer/image-archive.ts';
import { listLayoutFiles } from '../transfer/layout-files.ts';
import { OciLayout } from '../transfer/oci-layout.ts';
import { ABSENT_FILE, directoryTransport, openDirectory } from '../transfer/transports/directory.ts';

export interface VerifyTarget extends AsyncDisposable {
  readonly source: ContentSource;
  readonly images: readonly {
    readonly name: string;
    readonly root: Descriptor;
    /** The place says so: what it lacks is no damage. */
    readonly isPartial?: boolean;
  }[];
  /** A store may have only some platforms of an image. */
  readonly mayBePartial: boolean;
  /** What is wrong with the files around the images, once it is known what the images reach. */
  container(reached: ReadonlySet<string>): Promise<Finding[]>;
}

/**
 * A name of the store comes first; else a file is an archive and a directory a layout, or what skopeo
 * calls `dir:`. The caller disposes it.
 * Throws IMAGE_NOT_FOUND, and for what is no image at all ARCHIVE_INVALID, DOCUMENT_INVALID.
 */
export async function openVerifyTarget(store: Store, text: string): Promise<VerifyTarget> {
  if (text.startsWith(FLAT)) return openFlat(resolve(text.slice(FLAT.length)));
  const isPath = /^[./]/.test(text) && existsSync(text);
  const stored = isPath ? undefined : store.images.find(text);
  if (stored !== undefined || !existsSync(text)) {
    const { name, root } = stored ?? store.images.get(text);
    return {
      source: storeContent(store),
      images: [{ name: name ?? root.digest, root }],
      mayBePartial: true,
      container: () => Promise.resolve([]),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const path = resolve(text);
  if (isFlatDirectory(path)) return openFlat(path);
  return statSync(path).isDirectory() ? openLayout(path) : openArchive(path, store.makeDirectory('verify'));
}

type NamedRoots = readonly {
  readonly references: readonly string[];
  readonly root: Descriptor;
  readonly absent?: string;
}[];

const named = (images: NamedRoots): VerifyTarget['images'] =>
  images.map(({ references, root, absent }) => ({
    name: references.join(', ') || root.digest,
    root,
    isPartial: absent !== undefined,
  }));

const FLAT = directoryTransport.prefix;

/** What skopeo writes as `dir:`, which is no layout. */
const isFlatDirectory = (path: string): boolean =>
  ['manifest.json', 'version'].every((file) => existsSync(join(path, file))) &&
  !existsSync(join(path, 'oci-layout'));

async function openFlat(path: string): Promise<VerifyTarget> {
  const source = await openDirectory(path);
  return {
    source: source.content,
    images: named(source.images),
    mayBePartial: false,
    container: (reached) => Promise.resolve(flatFindings(path, reached)),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

const FLAT_FILES = /^(?:manifest\.json|version|signature-\d+)$/;

function flatFindings(path: string, reached: ReadonlySet<string>): Finding[] {
  const others = readdirSync(path)
    .sort()
    .filter(
      (file) =>
        file !== ABSENT_FILE &&
        !FLAT_FILES.test(file) &&
        !reached.has(`sha256:${file.replace(/\.manifest\.json$/, '')}`),
    );
  return others.map((file): Finding => {
    const message = `${file} belongs to no image`;
    return { code: 'layout-unreferenced', severity: 'warning', where: path, path: file, message };
  });
}

async function openLayout(path: string): Promise<VerifyTarget> {
  const layout = await OciLayout.open(path);
  return {
    source: layout,
    images: named(await layout.images()),
    mayBePartial: false,
    container: (reached) => Promise.resolve(layoutFindings(path, reached)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function layoutFindings(path: string, reached: ReadonlySet<string>): Finding[] {
  const { files, others } = listLayoutFiles(path);
  const index = join(path, 'index.json');
  const entries = existsSync(index) ? parseIndex(readFileSync(index)).manifests : undefined;
  return [
    ...verifyLayout({ files, reached, entries, named: new Set() }, path),
    ...others.map((file): Finding => {
      const message = `${file} is neither a file nor a directory`;
      return { code: 'layout-file', severity: 'error', where: path, path: file, message };
    }),
  ];
}

async function openArchive(path: string, temporary: string): Promise<VerifyTarget> {
  const archive = await openImageArchive(path, temporary);
  return {
    source: archive,
    images: named(archive.images),
    mayBePartial: false,
    container: (reached) => archiveFindings(path, reached),
    [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
  };
}

async function archiveFindings(path: string, reached: ReadonlySet<string>): Promise<Finding[]> {
  const { files, documents, findings } = await surveyArchive(path);
  const index = documents.get('index.json');
  const entries = index === undefined ? undefined : parseIndex(index).manifests;
  const docker = documents.get('manifest.json');
  const namedFiles = docker === undefined ? [] : filesOfDocker(docker.toString('utf8'), files);
  return [...findings, ...verifyLayout({ files, reached, entries, named: new Set(namedFiles) }, path)];
}

/** Configs and layers, and of the oldest archives the three files in the directory of each layer. */
function filesOfDocker(manifest: string, files: readonly string[]): string[] {
  const listed = parseDockerManifest(manifest).flatMap(({ Config, Layers }) => [Config, ...Layers]);
  return [...listed, ...files.filter((file) => /^[0-9a-f]{64}\/(?:json|VERSION|layer\.tar)$/.test(file))];
}

/** What makes an archive or a layout none is a finding like any other. */
export function invalidTarget(text: string, error: unknown): Finding {
  if (!(error instanceof ArchBuildError) || !INVALID_CODES.has(error.code)) throw error;
  return { code: 'container', severity: 'error', where: resolve(text), message: error.message };
}

const INVALID_CODES = new Set(['ARCHIVE_INVALID', 'DOCUMENT_INVALID', 'DIGEST_INVALID', 'LAYER_INVALID']);
