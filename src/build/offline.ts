/** `--offline`: nothing asks the network; what a build would want of it is said at once, before anything runs. */
import { ArchBuildError, type SourceLocation } from '../errors.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { BaseImages } from './base-images.ts';
import type { BuildOptions } from './options.ts';
import { findOutsideNeeds, type NeedsSource } from './outside-needs.ts';

/** Throws OFFLINE naming every image, URL and step that would need the network, with its place. */
export function checkOffline(
  source: NeedsSource & { readonly options: Pick<BuildOptions, 'network'> },
  bases: BaseImages,
): void {
  const { images, urls, hostNetwork } = findOutsideNeeds(source);
  const missing = images.filter(({ name, platform, use }) => !bases.has(name, platform, use));
  const items = [
    ...missing.map(({ name, platform, by, location }) =>
      itemOf(`image ${name} for ${formatPlatform(platform)}`, by, location),
    ),
    ...urls.map(({ url, location }) => itemOf(url, 'ADD', location)),
    ...(source.options.network === 'host' ? [] : hostNetwork).map((location) =>
      itemOf('the network of the host', 'RUN --network=host', location),
    ),
  ];
  if (items.length === 0) return;
  throw new ArchBuildError('OFFLINE', 'this build needs the network, and --offline forbids it', {
    items,
    hint: hintFor({ images: missing.length > 0, urls: urls.length > 0 }),
  });
}

const itemOf = (what: string, by: string, { file, line, column }: SourceLocation): string =>
  `${what} (${by}, ${file}:${line}:${column})`;

function hintFor({ images, urls }: { readonly images: boolean; readonly urls: boolean }): string {
  if (images)
    return 'bring the images along: `arch-build kit` where there is a network, or `pull` and `save` there and `load` here';
  if (urls) return 'put the file into the build context and COPY it';
  return 'write --network host on the command line if steps may use it';
}
