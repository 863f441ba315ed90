/**
 * The media types of images in their two families, OCI and Docker, as one table. Sources: OCI image-spec
 * media-types.md; distribution "Image Manifest V 2, Schema 2".
 *
 * A type that is not in the table is content to carry, never an error.
 */
export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociForeignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociForeignLayerGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ociForeignLayerZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayoutHeader: 'application/vnd.oci.layout.header.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerForeignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

export type Family = 'oci' | 'docker';
export type Compression = 'none' | 'gzip' | 'zstd';

type Role = 'index' | 'manifest' | 'config' | 'layer' | 'schema1' | 'other';
interface Row {
  readonly family: Family;
  readonly role: Role;
  readonly compression?: Compression;
  readonly foreign?: true;
}

const ROWS: Readonly<Record<keyof typeof MEDIA_TYPES, Row>> = {
  ociIndex: { family: 'oci', role: 'index' },
  ociManifest: { family: 'oci', role: 'manifest' },
  ociConfig: { family: 'oci', role: 'config' },
  ociLayer: { family: 'oci', role: 'layer', compression: 'none' },
  ociLayerGzip: { family: 'oci', role: 'layer', compression: 'gzip' },
  ociLayerZstd: { family: 'oci', role: 'layer', compression: 'zstd' },
  ociForeignLayer: { family: 'oci', role: 'layer', compression: 'none', foreign: true },
  ociForeignLayerGzip: { family: 'oci', role: 'layer', compression: 'gzip', foreign: true },
  ociForeignLayerZstd: { family: 'oci', role: 'layer', compression: 'zstd', foreign: true },
  ociEmpty: { family: 'oci', role: 'other' },
  ociLayoutHeader: { family: 'oci', role: 'other' },
  dockerIndex: { family: 'docker', role: 'index' },
  dockerManifest: { family: 'docker', role: 'manifest' },
  dockerConfig: { family: 'docker', role: 'config' },
  dockerLayer: { family: 'docker', role: 'layer', compression: 'none' },
  dockerLayerGzip: { family: 'docker', role: 'layer', compression: 'gzip' },
  dockerLayerZstd: { family: 'docker', role: 'layer', compression: 'zstd' },
  dockerForeignLayer: { family: 'docker', role: 'layer', compression: 'none', foreign: true },
  dockerForeignLayerGzip: { family: 'docker', role: 'layer', compression: 'gzip', foreign: true },
  dockerSchema1: { family: 'docker', role: 'schema1' },
  dockerSchema1Signed: { family: 'docker', role: 'schema1' },
};

const BY_TYPE: ReadonlyMap<string, Row> = new Map(
  Object.entries(MEDIA_TYPES).map(([key, type]) => [type, ROWS[key as keyof typeof MEDIA_TYPES]]),
);

const hasRole =
  (role: Role) =>
  (mediaType: string): boolean =>
    BY_TYPE.get(mediaType)?.role === role;

export const isIndexType = hasRole('index');
export const isManifestType = hasRole('manifest');
/** Configs of runnable images; the configs of other artifacts have types of their own. */
export const isConfigType = hasRole('config');
/** Filesystem layers, foreign ones included. */
export const isLayerType = hasRole('layer');
/** The obsolete manifests of before 2016, which no current tool reads. */
export const isSchema1Type = hasRole('schema1');

/** Layers whose bytes live at the URLs of their descriptor and are not pushed. Deprecated, never created. */
export const isForeignLayerType = (mediaType: string): boolean => BY_TYPE.get(mediaType)?.foreign === true;

/** How a layer's tar is packed; undefined for a type that is no layer we know. */
export const layerCompression = (mediaType: string): Compression | undefined =>
  BY_TYPE.get(mediaType)?.compression;

/** Undefined for types of neither family. */
export const familyOf = (mediaType: string): Family | undefined => BY_TYPE.get(mediaType)?.family;

/**
 * The type with the same meaning in a family, for a layer with another packing perhaps. Undefined where the family has
 * none, and for types of no family. Docker's zstd layer is nobody's to make: few read it.
 */
export function typeInFamily(
  mediaType: string,
  family: Family,
  compression: Compression | undefined = layerCompression(mediaType),
): string | undefined {
  const row = BY_TYPE.get(mediaType);
  if (row === undefined || (family === 'docker' && compression === 'zstd')) return undefined;
  return [...BY_TYPE].find(
    ([, other]) =>
      other.family === family &&
      other.role === row.role &&
      other.compression === compression &&
      other.foreign === row.foreign,
  )?.[0];
}
