/**
 * The `registry/` directories of an image's platforms, put together. Each is what a distribution registry stores,
 * with the content of one platform; names and blobs of several meet in one tree without harm as long as each tag
 * stands for the same digest everywhere.
 *
 *   docker/registry/v2/blobs/sha256/<2 hex>/<64 hex>/data
 *   docker/registry/v2/repositories/<name>/_manifests/tags/<tag>/current/link
 *
 * Pure: lists of files in, one list out.
 */
import { ArchBuildError } from '../errors.ts';

export interface StorageFile {
  /** Below `registry/`, bytes as latin1. */
  readonly path: string;
  readonly size: number;
  /** Of a link file: the digest it names. Blobs have none. */
  readonly link?: string;
}

export interface PlatformStorage<File extends StorageFile> {
  readonly platform: string;
  readonly files: readonly File[];
}

const TAG_LINK = /\/repositories\/(.+)\/_manifests\/tags\/([^/]+)\/current\/link$/;

/** One entry a path, sorted. Throws CLUSTER naming all tags that stand for different digests, or files that differ. */
export function unionOf<File extends StorageFile>(parts: readonly PlatformStorage<File>[]): File[] {
  const union = new Map<string, { readonly file: File; readonly platform: string }>();
  const conflicts: string[] = [];
  for (const { platform, files } of parts) {
    for (const file of files) {
      const before = union.get(file.path);
      if (before === undefined) union.set(file.path, { file, platform });
      else if (differ(before.file, file)) conflicts.push(describeConflict(before, { file, platform }));
    }
  }
  if (conflicts.length > 0) {
    throw new ArchBuildError('CLUSTER', 'the registries of the platforms contradict each other', {
      items: conflicts,
      hint: 'gather the images of all platforms in one build: each tag is then resolved once for all of them',
    });
  }
  return [...union.values()].map(({ file }) => file).sort((a, b) => (a.path < b.path ? -1 : 1));
}

const differ = (a: StorageFile, b: StorageFile): boolean => a.size !== b.size || a.link !== b.link;

interface Told {
  readonly file: StorageFile;
  readonly platform: string;
}

function describeConflict(a: Told, b: Told): string {
  const tag = TAG_LINK.exec(`/${a.file.path}`);
  const what = tag === null ? a.file.path : `${tag[1] ?? ''}:${tag[2] ?? ''}`;
  return `${what} is ${contentOf(a)}, but ${contentOf(b)}`;
}

const contentOf = ({ file, platform }: Told): string =>
  `${file.link ?? `${file.size} bytes`} for ${platform}`;
