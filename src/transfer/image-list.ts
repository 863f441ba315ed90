/**
 * The names of images in the index.json of a layout or an archive, in the way docker and containerd write them:
 * `io.containerd.image.name` is the full name, `org.opencontainers.image.ref.name` the tag.
 */
import { FULL_NAME, REF_NAME } from '../oci/annotations.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';

export interface NamedImage {
  /** Full names (`docker.io/library/hello:v1`); empty for an image without one. */
  readonly references: readonly string[];
  /** The very words an image is found by in a layout of other tools: `v1`, or a full name as somebody wrote it. */
  readonly tags?: readonly string[];
  readonly root: Descriptor;
  /** Platforms that its index names and whoever lists it was not given, by commas. */
  readonly absent?: string;
}

/**
 * One entry for each name. A tag that two images share is useless for finding one of them: those get the full name
 * in both places.
 */
export function indexEntries(images: readonly NamedImage[]): Descriptor[] {
  const tagOf = (reference: string): string => parseReference(reference).tag ?? reference;
  const users = new Map<string, Set<string>>();
  for (const { references, root } of images) {
    for (const tag of references.map(tagOf)) users.set(tag, (users.get(tag) ?? new Set()).add(root.digest));
  }
  const annotated = (root: Descriptor, names: Readonly<Record<string, string>>): Descriptor => ({
    ...root,
    annotations: { ...root.annotations, ...names },
  });
  return images.flatMap(({ references, tags = [], root: plain, absent }) => {
    const root = absent === undefined ? plain : annotated(plain, { [ABSENT_ANNOTATION]: absent });
    const written = new Set(tags.map(fullReference));
    const named = references
      .filter((reference) => !written.has(reference))
      .map((reference) => {
        const tag = tagOf(reference);
        const refName = (users.get(tag)?.size ?? 0) > 1 ? reference : tag;
        return annotated(root, { [FULL_NAME]: reference, [REF_NAME]: refName });
      });
    const tagged = tags.map((tag) => annotated(root, { [REF_NAME]: tag }));
    return named.length + tagged.length === 0 ? [root] : [...named, ...tagged];
  });
}

/** Of an entry of `index.json`: what `absent` says. */
const ABSENT_ANNOTATION = 'dev.arch-build.absent';

/** The entries of an index.json by image. A ref.name that is only a word is no name in a store. */
export function namedImages(entries: readonly Descriptor[]): NamedImage[] {
  const images = new Map<
    string,
    { references: Set<string>; tags: Set<string>; root: Descriptor; absent: string | undefined }
  >();
  for (const { annotations, ...descriptor } of entries) {
    const {
      [FULL_NAME]: fullName,
      [REF_NAME]: refName,
      [ABSENT_ANNOTATION]: absent,
      ...others
    } = annotations ?? {};
    const root = Object.keys(others).length === 0 ? descriptor : { ...descriptor, annotations: others };
    const image = images.get(root.digest) ?? { references: new Set(), tags: new Set(), root, absent };
    images.set(root.digest, image);
    const reference =
      fullReference(fullName) ?? (isFullName(refName ?? '') ? fullReference(refName) : undefined);
    if (reference !== undefined) image.references.add(reference);
    if (refName !== undefined && fullReference(fullName) === undefined) image.tags.add(refName);
  }
  return [...images.values()].map(({ references, tags, root, absent }) => ({
    references: [...references],
    ...(tags.size === 0 ? {} : { tags: [...tags] }),
    ...(absent === undefined ? {} : { absent }),
    root,
  }));
}

/** Has a repository in it: everything else in the place of a name is a tag. */
export const isFullName = (text: string): boolean => /[/:]/.test(text);

/** In full form with a tag; undefined for what is not a reference. */
export function fullReference(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return formatReference(withDefaultTag(parseReference(text)));
  } catch {
    return undefined; // other tools write here what they like
  }
}
