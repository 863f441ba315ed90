/**
 * Everything in a rootfs that names container images, as one list with every place of each. The readers of YAML and
 * charts are large: they are loaded for what is to be read with them.
 */
import { ArchBuildError } from '../../errors.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../../oci/reference.ts';
import type { Credentials } from '../../transfer/auth-config.ts';
import type { ChartOptions } from './chart-images.ts';
import { chartsAmong, type FoundCharts } from './charts-among.ts';
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
  /** For this image alone. */
  readonly credentials?: Credentials;
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
  /** `imageListWithAuth.yaml` and the like. */
  readonly authLists: readonly ListFile[];
  /** Images of these are left out, wherever they are named. */
  readonly ignoredLists: readonly ListFile[];
  readonly charts: ChartOptions;
  /** Lists only: no manifests, no charts, no applications. */
  readonly listsOnly: boolean;
}

export const IMAGE_LIST = 'manifests/imageList';
export const AUTH_LIST = 'imageListWithAuth.yaml';
const MANIFESTS = 'manifests';
const CHARTS = 'charts';
const APPLICATIONS = 'application/apps';

export async function findImages(files: ClusterFiles, options: FindOptions): Promise<FoundImages> {
  const lists = options.imageLists.map(({ path, text }) => findInImageList(text, path));
  const ignored = collect(
    mergeFindings(options.ignoredLists.map(({ path, text }) => findInImageList(text, path))),
  );
  const ofFiles = options.listsOnly
    ? [inOwnList(files)]
    : [inOwnList(files), ...(await inManifests(files, options))];
  const open = collect(mergeFindings([...ofFiles, ...lists]));
  const guarded = await Promise.all(options.authLists.map(collectPrivate));
  const found = mergeFound([...guarded, open]);
  const left = new Set(ignored.images.map(({ name }) => name));
  return {
    images: found.images.filter(({ name }) => !left.has(name)),
    problems: [...ignored.problems, ...found.problems],
  };
}

function inOwnList(files: ClusterFiles): Findings {
  if (!files.has(IMAGE_LIST)) return { mentions: [], problems: [] };
  return findInImageList(files.read(IMAGE_LIST).toString('utf8'), IMAGE_LIST);
}

/** YAML as it is, charts rendered; an application is one or the other. */
async function inManifests(files: ClusterFiles, { charts }: FindOptions): Promise<Findings[]> {
  const applications = files.list(APPLICATIONS);
  const found = [chartsAmong(files.list(CHARTS), files), chartsAmong(applications, files)] as const;
  const plain = [...files.list(MANIFESTS), ...applications.filter((path) => !found[1].belongs(path))];
  return [
    ...(await inYaml(files, plain)),
    ...(await inCharts(found[0], charts)),
    ...(await inCharts(found[1], charts)),
  ];
}

async function inYaml(files: ClusterFiles, paths: readonly string[]): Promise<Findings[]> {
  const yaml = paths.filter((path) => /\.(ya?ml|json|tmpl)$/i.test(path));
  if (yaml.length === 0) return [];
  const { findInYaml } = await import('./yaml-images.ts');
  return yaml.map((path) => findInYaml(files.read(path).toString('utf8'), path));
}

async function inCharts(found: FoundCharts, options: ChartOptions): Promise<Findings[]> {
  if (found.charts.length === 0) return [];
  const { findInCharts } = await import('./chart-images.ts');
  return [await findInCharts(found, options)];
}

async function collectPrivate({ path, text }: ListFile): Promise<FoundImages> {
  const { readAuthList } = await import('./auth-list.ts');
  const { sections, problems } = readAuthList(text, path);
  const found = sections.map(({ mentions, credentials }) => {
    const { images, problems: bad } = collect({ mentions, problems: [] });
    return { images: images.map((image) => ({ ...image, credentials })), problems: bad };
  });
  return mergeFound([...found, { images: [], problems }]);
}

/** Names that mean the same become one image. */
function collect({ mentions, problems }: Findings): FoundImages {
  const bad: FindProblem[] = [];
  const images = mentions.flatMap((mention) => {
    const reference = readName(mention, bad);
    if (reference === undefined) return [];
    return [{ name: formatReference(reference), reference, places: [mention.place] }];
  });
  return mergeFound([{ images, problems: [...problems, ...bad] }]);
}

/** In order of the names; credentials are those of the first that has any. */
function mergeFound(parts: readonly FoundImages[]): FoundImages {
  const images = new Map<string, FoundImage>();
  for (const image of parts.flatMap((part) => part.images)) {
    const known = images.get(image.name);
    const places = [...(known?.places ?? []), ...image.places];
    images.set(image.name, { ...image, ...known, places });
  }
  const ordered = [...images.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  return { images: ordered, problems: parts.flatMap(({ problems }) => problems) };
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
