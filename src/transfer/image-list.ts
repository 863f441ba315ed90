/**
 * The names of images in the index.json of a layout or an archive, in the way docker and containerd write them:
 * `io.containerd.image.name` is the full name, `org.opencontainers.image.ref.name` the tag.
 */
import type { Descriptor } from '../oci/descriptor.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';

export interface NamedImage {
  /** Full names (`docker.io/library/hello:v1`); empty for an image without one. */
  readonly references: readonly string[];
  readonly root: Descriptor;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
const FULL_NAME = 'io.containerd.image.name';

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
  return images.flatMap(({ references, root }) => {
    if (references.length === 0) return [root];
    return references.map((reference) => {
      const tag = tagOf(reference);
      const refName = (users.get(tag)?.size ?? 0) > 1 ? reference : tag;
      return { ...root, annotations: { ...root.annotations, [FULL_NAME]: reference, [REF_NAME]: refName } };
    });
  });
}

/** The entries of an index.json by image. A ref.name that is only a tag, or no reference at all, names nothing. */
export function namedImages(entries: readonly Descriptor[]): NamedImage[] {
  const images = new Map<string, { readonly references: string[]; readonly root: Descriptor }>();
  for (const { annotations, ...descriptor } of entries) {
    const { [FULL_NAME]: fullName, [REF_NAME]: refName, ...others } = annotations ?? {};
    const root = Object.keys(others).length === 0 ? descriptor : { ...descriptor, annotations: others };
    const image = images.get(root.digest) ?? { references: new Array<string>(), root };
    images.set(root.digest, image);
    const reference =
      fullReference(fullName) ?? (/[/:]/.test(refName ?? '') ? fullReference(refName) : undefined);
    if (reference !== undefined && !image.references.includes(reference)) image.references.push(reference);
  }
  return [...images.values()];
}

/** The tags an entry of an index.json is found by. */
export function tagsOf({ annotations = {} }: Descriptor): string[] {
  const { [FULL_NAME]: fullName, [REF_NAME]: refName } = annotations;
  const names = [fullName, refName].filter((name) => name !== undefined);
  return names.flatMap((name) => [name, parsedTag(name)]).filter((tag) => tag !== undefined);
}

const parsedTag = (name: string): string | undefined => {
  const full = /[/:]/.test(name) ? fullReference(name) : undefined;
  return full === undefined ? undefined : parseReference(full).tag;
};

/** In full form with a tag; undefined for what is not a reference. */
export function fullReference(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return formatReference(withDefaultTag(parseReference(text)));
  } catch {
    return undefined; // other tools write here what they like
  }
}
