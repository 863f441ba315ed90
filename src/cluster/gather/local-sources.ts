/**
 * `--image-source`: an OCI layout, an archive (OCI or docker), a directory of such archives and layouts, or an image
 * of the store by its name.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { storeContent } from '../../layer/image-content.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import { openImageArchive } from '../../transfer/image-archive.ts';
import type { NamedImage } from '../../transfer/image-list.ts';
import type { KitImages } from '../../transfer/kit-images.ts';
import { OciLayout } from '../../transfer/oci-layout.ts';
import type { ImageSource } from './image-source.ts';

/** `open` collects what has to be closed. */
interface Opening {
  readonly store: Store;
  readonly open: AsyncDisposable[];
}

/** The sources of one word of the user. The caller disposes what `open` got. Throws USAGE, ARCHIVE_INVALID, IO. */
export async function openLocalSources(word: string, opening: Opening): Promise<ImageSource[]> {
  const { store } = opening;
  const path = resolve(word);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [storedImage(store, word)];
  if (!stat.isDirectory()) return [await archive(path, opening)];
  if (existsSync(join(path, 'oci-layout'))) return [await layout(path)];
  const inside = readdirSync(path)
    .sort()
    .map((name) => join(path, name));
  const layouts = inside.filter((each) => existsSync(join(each, 'oci-layout')));
  const archives = inside.filter((each) => /\.tar(\.gz|\.xz|\.zst)?$|\.tgz$/.test(each));
  if (layouts.length + archives.length === 0)
    throw unusable(word, 'it is a directory with neither an oci-layout file nor archives');
  return Promise.all([...layouts.map(layout), ...archives.map(async (each) => archive(each, opening))]);
}

async function archive(path: string, { store, open }: Opening): Promise<ImageSource> {
  const opened = await openImageArchive(path, store.makeDirectory('image-source'));
  open.push(opened);
  return listSource(path, opened.images, opened);
}

async function layout(path: string): Promise<ImageSource> {
  const opened = await OciLayout.open(path);
  return listSource(path, await opened.images(), opened);
}

/** By its full name; by digest, whatever it is called there. */
function listSource(label: string, images: readonly NamedImage[], content: ContentSource): ImageSource {
  return {
    label,
    find: (reference) => {
      const root = images.find((image) => means(image, reference))?.root;
      return Promise.resolve(root === undefined ? undefined : { root, content });
    },
  };
}

function means({ root, references }: NamedImage, reference: Reference): boolean {
  if (reference.digest !== undefined) return root.digest === reference.digest;
  return references.includes(formatReference(reference));
}

/** One image of the store, which the user names instead of a file. */
function storedImage(store: Store, word: string): ImageSource {
  let name: string;
  try {
    name = formatReference(withDefaultTag(parseReference(word)));
  } catch {
    throw unusable(word, 'there is no such file or directory, and it is no name of an image');
  }
  const root = store.images.find(name)?.root;
  if (root === undefined)
    throw unusable(word, 'there is no such file or directory, and no such image in the store');
  return listSource(`${word} of the store`, [{ references: [name], root }], storeContent(store));
}

/** Whatever the store has under the name. */
export function storeSource(store: Store): ImageSource {
  const content = storeContent(store);
  return {
    label: 'the store',
    find: ({ digest, ...named }) => {
      const root =
        digest === undefined ? store.images.find(formatReference(named))?.root : byDigest(store, digest);
      return Promise.resolve(root === undefined ? undefined : { root, content });
    },
  };
}

const byDigest = (store: Store, digest: string): Descriptor | undefined =>
  store.images.list().find(({ root }) => root.digest === digest)?.root;

/** What came along with a packed program. */
export function kitSource(kit: KitImages): ImageSource {
  return {
    label: 'the kit',
    find: async (reference) => {
      const root = kit.rootOf(formatReference(reference));
      return root === undefined ? undefined : { root, content: await kit.content() };
    },
  };
}

const unusable = (word: string, why: string): ArchBuildError =>
  new ArchBuildError('USAGE', `--image-source ${word} cannot be used: ${why}`, {
    hint: 'name an OCI layout, an archive of images, a directory of them, or an image of the store',
  });
