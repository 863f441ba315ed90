/** Everything in a rootfs that names container images, as one list with every place of each. */
import { ArchBuildError } from '../../errors.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../../oci/reference.ts';
import type { ClusterFiles } from './cluster-files.ts';
import { findInImageList } from './image-list.ts';
import {
  mergeFindings,
  type Findings,
  type FindProblem,
  type ImageMention,
  type Place,
} from './image-mention.ts';

export interface FoundImage {
  /** Full name (`docker.io/library/nginx:1`). */
  readonly name: string;
  readonly reference: Reference;
  readonly places: readonly Place[];
}

export interface FoundImages {
  /** In order of their names. */
  readonly images: readonly FoundImage[];
  readonly problems: readonly FindProblem[];
}

/** A list that the user gave, with its text. */
export interface ListFile {
  readonly path: string;
  readonly text: string;
}

export interface FindOptions {
  readonly imageLists: readonly ListFile[];
  /** Images of these are left out, wherever they are named. */
  readonly ignoredLists: readonly ListFile[];
}

export const IMAGE_LIST = 'manifests/imageList';

export function findImages(files: ClusterFiles, options: FindOptions): FoundImages {
  const own = files.has(IMAGE_LIST)
    ? [findInImageList(files.read(IMAGE_LIST).toString('utf8'), IMAGE_LIST)]
    : [];
  const lists = options.imageLists.map(({ path, text }) => findInImageList(text, path));
  const ignored = collect(
    mergeFindings(options.ignoredLists.map(({ path, text }) => findInImageList(text, path))),
  );
  const found = collect(mergeFindings([...own, ...lists]));
  const left = new Set(ignored.images.map(({ name }) => name));
  return {
    images: found.images.filter(({ name }) => !left.has(name)),
    problems: [...ignored.problems, ...found.problems],
  };
}

/** Names that mean the same become one image. */
export function collect({ mentions, problems }: Findings): FoundImages {
  const images = new Map<string, { reference: Reference; places: Place[] }>();
  const bad: FindProblem[] = [];
  for (const mention of mentions) {
    const reference = readName(mention, bad);
    if (reference === undefined) continue;
    const name = formatReference(reference);
    const image = images.get(name) ?? { reference, places: [] };
    images.set(name, image);
    image.places.push(mention.place);
  }
  const names = [...images.keys()].sort();
  return {
    images: names.flatMap((name) => ({ name, ...(images.get(name) ?? never(name)) })),
    problems: [...problems, ...bad],
  };
}

function readName({ text, place }: ImageMention, problems: FindProblem[]): Reference | undefined {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    const hint = error.hint === undefined ? '' : ` (${error.hint})`;
    problems.push({ place, message: `${error.message}${hint}` });
    return undefined;
  }
}

function never(name: string): never {
  throw new TypeError(`${name} was found and lost`);
}
