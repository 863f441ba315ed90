/** The `manifest.json` and `repositories` of docker archives: what `docker save` writes and `docker load` reads. */
import { ArchBuildError } from '../errors.ts';
import { encodedOf } from '../oci/digest.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { Manifest } from '../oci/manifest.ts';

export interface DockerImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/**
 * The names docker knows an image by; those by digest only are none. `docker save` shortens them (`app:v1`), `docker
 * load` takes either, and podman takes a short one for `localhost/app:v1`: hence the full ones.
 */
export function repoTags(references: readonly string[]): string[] {
  return references.flatMap((text) => {
    const reference = parseReference(text);
    return reference.tag === undefined ? [] : [formatReference(reference)];
  });
}

/** The older name table: repository, tag, id of the top layer. */
export function repositories(
  images: readonly { readonly manifest: Manifest; readonly tags: readonly string[] }[],
): Record<string, Record<string, string>> {
  const table: Record<string, Record<string, string>> = {};
  for (const { manifest, tags } of images) {
    const top = manifest.layers.at(-1) ?? manifest.config;
    for (const name of tags) {
      const colon = name.lastIndexOf(':');
      (table[name.slice(0, colon)] ??= {})[name.slice(colon + 1)] = encodedOf(top.digest);
    }
  }
  return table;
}

/** Throws ARCHIVE_INVALID unless the text is a list of images of the right shape. */
export function parseDockerManifest(text: string): DockerImage[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw invalid('is not JSON', cause);
  }
  if (!Array.isArray(document) || document.length === 0) throw invalid('is not a list of images');
  return document.map((entry: unknown): DockerImage => {
    if (typeof entry !== 'object' || entry === null) throw invalid('has an entry that is not an object');
    const { Config, RepoTags, Layers } = entry as Record<keyof DockerImage, unknown>;
    if (typeof Config !== 'string') throw invalid('has an image without Config');
    return { Config, RepoTags: strings(RepoTags, 'RepoTags'), Layers: strings(Layers, 'Layers') };
  });
}

function strings(value: unknown, name: string): string[] {
  if (value === null || value === undefined) return [];
  const good = Array.isArray(value) && value.every((item): item is string => typeof item === 'string');
  if (!good) throw invalid(`has ${name} that are not a list of texts`);
  return value;
}

const invalid = (what: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError('ARCHIVE_INVALID', `manifest.json ${what}`, cause === undefined ? {} : { cause });
