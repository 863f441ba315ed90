/** Which image of a layout or an archive somebody means, and under which name images arrive somewhere. */
import { ArchBuildError } from '../errors.ts';
import { parseDigest } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';
import { fullReference, isFullName, type NamedImage } from './image-list.ts';

export interface ImageChoice {
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

/** By digest, by tag or full name; without either the only image there is, else `latest`. */
export function findImage(
  images: readonly NamedImage[],
  { tag, digest }: ImageChoice,
): NamedImage | undefined {
  if (digest !== undefined) return images.find(({ root }) => root.digest === digest);
  if (tag === undefined && images.length === 1) return images[0];
  return images.find((image) => isCalled(image, tag ?? 'latest'));
}

function isCalled({ references, tags = [] }: NamedImage, name: string): boolean {
  if (tags.includes(name) || references.includes(name)) return true;
  if (isFullName(name)) return references.includes(fullReference(name) ?? name);
  return references.some(
    (reference) => parseReference(reference).tag === name || reference === fullReference(name),
  );
}

/** `PATH[:NAME]` or `PATH@DIGEST`: as skopeo has it, the path ends at the first colon. Throws USAGE for no path. */
export function splitPath(
  rest: string,
  text: string,
): { readonly path: string; readonly name: string | undefined } {
  const [, path = '', name, digest] = /^([^:]*?)(?::(.+)|(@sha256:[0-9a-f]{64}))?$/.exec(rest) ?? [];
  if (path === '') throw new ArchBuildError('USAGE', `${text} names no path`);
  return { path, name: name ?? digest };
}

interface Wanted {
  /** A tag, a full name, `@sha256:…`, or `@` and a number as skopeo has it. */
  readonly name: string | undefined;
  /** What the user wrote. */
  readonly text: string;
}

/** All images when no name is given. Throws IMAGE_NOT_FOUND naming what there is. */
export function chosenImages(images: readonly NamedImage[], { name, text }: Wanted): readonly NamedImage[] {
  if (name === undefined) return images;
  const number = /^@(\d+)$/.exec(name)?.[1];
  const digest = name.startsWith('@sha256:') ? parseDigest(name.slice(1)) : undefined;
  const found =
    number === undefined
      ? findImage(images, digest === undefined ? { tag: name } : { digest })
      : images[Number(number)];
  if (found !== undefined) return [found];
  throw new ArchBuildError('IMAGE_NOT_FOUND', `there is no image ${text}`, {
    hint: `there are ${images.flatMap(namesOf).join(', ') || 'none'}`,
  });
}

const namesOf = ({ references, tags = [], root }: NamedImage): string[] =>
  references.length + tags.length === 0 ? [`@${root.digest}`] : [...references, ...tags];

/** Under the destination's name, where it has one. Throws USAGE when several images are to share it. */
export function renamed(images: readonly NamedImage[], { name, text }: Wanted): readonly NamedImage[] {
  if (name === undefined) return images;
  const { root } = onlyImage(images, text);
  const reference = isFullName(name) ? fullReference(name) : undefined;
  if (isFullName(name) && reference === undefined)
    throw new ArchBuildError('USAGE', `${JSON.stringify(name)} in ${text} is not a name`);
  return [{ root, references: reference === undefined ? [] : [reference], tags: [name] }];
}

/** Throws USAGE unless there is exactly one. */
export function onlyImage(images: readonly NamedImage[], text: string): NamedImage {
  const [only] = images;
  if (only !== undefined && images.length === 1) return only;
  throw new ArchBuildError('USAGE', `${text} is a name for one image, and here are ${images.length}`, {
    hint: `choose one of ${images.flatMap(namesOf).join(', ')}`,
  });
}
