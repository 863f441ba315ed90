/**
 * Which names stand for which image: the layout's index.json. One entry a name; an image without a name keeps one
 * entry without. Changes happen under a lock and by rename: a reader sees the old or the new list.
 */
import { readFileSync, statSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import { REF_NAME } from '../oci/annotations.ts';
import { encodedOf } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseIndex } from '../oci/manifest.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import { acquireLock } from '../sys/lock.ts';
import type { StoreLayout } from './layout.ts';

const LOCK_WAIT_MS = 30_000;

export interface StoredImage {
  /** Full form (`docker.io/library/hello:v1`), undefined for an image without a name. */
  readonly name: string | undefined;
  readonly root: Descriptor;
}

export class Images {
  readonly #layout: StoreLayout;
  #read: { readonly version: string; readonly images: readonly StoredImage[] } | undefined;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  list(): readonly StoredImage[] {
    const stat = statSync(this.#layout.index, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return [];
    const version = `${stat.ino} ${stat.mtimeNs} ${stat.size}`; // it is never changed in place
    if (this.#read?.version !== version) this.#read = { version, images: this.#readAll() };
    return this.#read.images;
  }

  #readAll(): readonly StoredImage[] {
    const index = parseIndex(readFileSync(this.#layout.index), { limitBytes: Infinity });
    return index.manifests.map((descriptor) => {
      const { annotations, ...root } = descriptor;
      const { [REF_NAME]: name, ...others } = annotations ?? {};
      return { name, root: Object.keys(others).length === 0 ? root : { ...root, annotations: others } };
    });
  }

  /** By name, by digest, or by the first digits (at least 4) of a digest. Undefined when there is none. */
  find(text: string): StoredImage | undefined {
    const images = this.list();
    const digits = /^(sha256:)?([0-9a-f]{4,64})$/.exec(text);
    const isName = digits === null || (digits[1] === undefined && text.length < 64);
    const named = isName ? findByName(images, text) : undefined;
    return named ?? findByDigits(images, digits?.[2]);
  }

  /** Throws IMAGE_NOT_FOUND. */
  get(text: string): StoredImage {
    const found = this.find(text);
    if (found !== undefined) return found;
    throw new ArchBuildError('IMAGE_NOT_FOUND', `no image ${JSON.stringify(text)} in the store`, {
      hint: 'see `arch-build images`; get it with `arch-build pull`, `load` or `import`',
    });
  }

  /**
   * Points every name at the image, all in one change. Without names the image is kept under those it has, or none.
   * Returns the names that meant another image until then, with it.
   */
  async put(root: Descriptor, names: readonly string[]): Promise<readonly StoredImage[]> {
    let taken: readonly StoredImage[] = [];
    await this.#change((images) => {
      const others = images.filter(({ name, root: old }) =>
        name === undefined ? old.digest !== root.digest : !names.includes(name),
      );
      taken = images.filter((image) => image.root.digest !== root.digest && !others.includes(image));
      const orphans = displaced(images, others, root);
      const isKept = others.some(({ root: old }) => old.digest === root.digest);
      const nameless = names.length === 0 && !isKept ? [{ name: undefined, root }] : [];
      const named = [...nameless, ...[...new Set(names)].map((name) => ({ name, root }))];
      return [...others, ...orphans, ...named];
    });
    return taken;
  }

  /** Removes the entries the predicate picks; returns them. */
  async remove(picked: (image: StoredImage) => boolean): Promise<StoredImage[]> {
    const removed: StoredImage[] = [];
    await this.#change((images) =>
      images.filter((image) => {
        if (picked(image)) removed.push(image);
        return !picked(image);
      }),
    );
    return removed;
  }

  async #change(edit: (images: readonly StoredImage[]) => readonly StoredImage[]): Promise<void> {
    using _lock = await acquireLock(this.#layout.indexLock, 'exclusive', { waitMs: LOCK_WAIT_MS });
    const manifests = edit(this.list()).map(({ name, root }) =>
      name === undefined ? root : { ...root, annotations: { ...root.annotations, [REF_NAME]: name } },
    );
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
    writeFileAtomic(this.#layout.index, `${JSON.stringify(document)}\n`);
  }
}

/** An image that loses its last name to a new one stays, without a name, until it is pruned. */
function displaced(
  before: readonly StoredImage[],
  kept: readonly StoredImage[],
  root: Descriptor,
): StoredImage[] {
  const still = new Set([root.digest, ...kept.map((image) => image.root.digest)]);
  const lost = before.filter((image) => !still.has(image.root.digest));
  return [
    ...new Map(lost.map((image) => [image.root.digest, { name: undefined, root: image.root }])).values(),
  ];
}

function findByName(images: readonly StoredImage[], text: string): StoredImage | undefined {
  const reference = parseReference(text);
  if (reference.digest !== undefined) return images.find(({ root }) => root.digest === reference.digest);
  const full = formatReference(withDefaultTag(reference));
  return images.find(({ name }) => name === full);
}

function findByDigits(images: readonly StoredImage[], digits: string | undefined): StoredImage | undefined {
  if (digits === undefined) return undefined;
  const found = images.filter(({ root }) => encodedOf(root.digest).startsWith(digits));
  const different = new Set(found.map(({ root }) => root.digest));
  if (different.size > 1) {
    throw new ArchBuildError(
      'IMAGE_NOT_FOUND',
      `${digits} is the beginning of ${different.size} images' digests`,
      { hint: 'write more digits' },
    );
  }
  return found[0];
}
