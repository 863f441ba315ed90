/**
 * Documents made anew from others with something changed in them: other layers, other children, the other family of
 * media types. Fields nobody here knows stay.
 */
import { describe, orderedDescriptor, type Descriptor } from './descriptor.ts';
import { formatJson, ordered, type JsonObject } from './json.ts';
import type { Built, Index, Manifest } from './manifest.ts';
import { MEDIA_TYPES, typeInFamily, type Family } from './media-types.ts';

/** Docker's manifests have no annotations: those are left out. The layers are of the family already. */
export function rebuildManifest(
  { annotations, config, ...rest }: Manifest,
  { layers, family }: { readonly layers: readonly Descriptor[]; readonly family: Family },
): Built {
  const mediaType = family === 'oci' ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.dockerManifest;
  const own = { ...config, mediaType: typeInFamily(config.mediaType, family) ?? config.mediaType };
  return built(mediaType, {
    ...rest,
    mediaType,
    config: orderedDescriptor(own),
    layers: layers.map(orderedDescriptor),
    ...(annotations === undefined || family === 'docker' ? {} : { annotations: ordered(annotations) }),
  });
}

/** As `rebuildManifest`, of an index. */
export function rebuildIndex(
  { annotations, ...rest }: Index,
  { manifests, family }: { readonly manifests: readonly Descriptor[]; readonly family: Family },
): Built {
  const mediaType = family === 'oci' ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.dockerIndex;
  return built(mediaType, {
    ...rest,
    mediaType,
    manifests: manifests.map((entry) =>
      orderedDescriptor(family === 'oci' ? entry : withoutAnnotations(entry)),
    ),
    ...(annotations === undefined || family === 'docker' ? {} : { annotations: ordered(annotations) }),
  });
}

function withoutAnnotations({ annotations: _annotations, ...descriptor }: Descriptor): Descriptor {
  return descriptor;
}

function built(mediaType: string, document: JsonObject): Built {
  const bytes = formatJson(ordered(document, FIELD_ORDER));
  return { bytes, descriptor: describe(bytes, mediaType) };
}

const FIELD_ORDER = ['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests'];
