/** From what a name means to the one manifest a platform needs; nothing else of an index is read. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { parseDocument, platformsOf, selectPlatform } from '../oci/manifest.ts';
import { isConfigType, isIndexType } from '../oci/media-types.ts';
import { servingPlatforms, type Reach } from '../oci/platform-choice.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import type { ChildSelection } from './content-graph.ts';
import { readDocument } from './verified-stream.ts';

export interface ResolvedImage {
  readonly manifest: Descriptor;
  /** Its own: another than the wanted one when the choice went further. */
  readonly platform: Platform;
  /** The index the manifest was chosen from, when there is one. */
  readonly index?: Descriptor;
}

const INDEX_DEPTH = 4;

export interface PlatformWanted {
  readonly platform: Platform;
  /** How far the choice may go; `exact` by default. */
  readonly reach?: Reach;
  /** Which children of an index can be chosen; all by default. */
  readonly select?: ChildSelection;
}

/**
 * The manifest that serves the platform best; its config must say so too, whatever the index says.
 * Throws PLATFORM_NOT_FOUND naming what exists, DOCUMENT_INVALID, and what the source throws.
 */
export async function resolveForPlatform(
  source: ContentSource,
  root: Descriptor,
  { platform, reach = 'exact', select = (children) => children }: PlatformWanted,
): Promise<ResolvedImage> {
  let descriptor = root;
  for (let depth = 0; isIndexType(descriptor.mediaType); depth++) {
    if (depth === INDEX_DEPTH)
      throw new ArchBuildError('DOCUMENT_INVALID', `${root.digest} nests indexes too deep`);
    const document = parseDocument(await readDocument(source, descriptor), descriptor.mediaType);
    if (document.kind !== 'index') break;
    const index = { ...document.index, manifests: await select(document.index.manifests) };
    const found = selectPlatform(index, platform, reach);
    if (found === undefined) throw notFound(root, platform, platformsOf(index));
    descriptor = found;
  }
  const actual = await platformOfManifest(source, descriptor);
  const serves = servingPlatforms(platform, reach).some((each) => matchesPlatform(each, actual));
  if (!serves) throw notFound(root, platform, [formatPlatform(actual)]);
  const resolved = { manifest: descriptor, platform: actual };
  return descriptor === root ? resolved : { ...resolved, index: root };
}

async function platformOfManifest(source: ContentSource, descriptor: Descriptor): Promise<Platform> {
  const document = parseDocument(await readDocument(source, descriptor), descriptor.mediaType);
  if (document.kind !== 'manifest')
    throw new ArchBuildError('DOCUMENT_INVALID', `${descriptor.digest} is not a manifest`);
  const { config } = document.manifest;
  if (!isConfigType(config.mediaType)) {
    throw new ArchBuildError(
      'DOCUMENT_INVALID',
      `${descriptor.digest} is not an image: its config is ${config.mediaType}`,
    );
  }
  return platformOfConfig(parseImageConfig(await readDocument(source, config, 'config-bytes')));
}

function notFound(root: Descriptor, platform: Platform, exists: readonly string[]): ArchBuildError {
  return new ArchBuildError(
    'PLATFORM_NOT_FOUND',
    `${root.digest} is not available for ${formatPlatform(platform)}`,
    {
      hint: `it exists for ${exists.join(', ') || 'no platform'}`,
    },
  );
}
