/** sealer v0.8's list of images: `images_metadata.json` of its store, `Metadata` of its archives. Pure. */
import { listOf, readMatching, readText, recordOf, shape, type Reader } from '../oci/json-shape.ts';
import { parseJson } from '../oci/json.ts';
import { limitOf } from '../oci/limits.ts';
import type { Platform } from '../oci/platform.ts';

export interface SealerManifest {
  /** Of the Image document. */
  readonly id: string;
  /** RFC 3339. */
  readonly created: string;
  /** Of the regular files in all layers, bytes. */
  readonly size: number;
  readonly platform: Platform;
}

/** By name. */
export type SealerMetadata = Readonly<Record<string, readonly SealerManifest[]>>;

/** `store`: indented, as sealer keeps it; `archive`: on one line. */
export function formatSealerMetadata(metadata: SealerMetadata, form: 'store' | 'archive'): string {
  return JSON.stringify(metadataDocument(metadata), null, form === 'store' ? '\t' : undefined);
}

/** The document as a value, its fields in sealer's order. */
const metadataDocument = (metadata: SealerMetadata): object =>
  Object.fromEntries(
    Object.entries(metadata).map(([name, manifests]) => [
      name,
      { manifests: manifests.map(manifestDocument) },
    ]),
  );

const manifestDocument = ({ id, created, size, platform }: SealerManifest): object => ({
  id,
  created,
  size,
  platform: {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
  },
});

const WHAT = 'the image list of sealer';

/** Throws DOCUMENT_INVALID. */
export function parseSealerMetadata(text: string): SealerMetadata {
  const names = readNames(parseJson(Buffer.from(text), WHAT, limitOf('manifest-bytes')), WHAT);
  return Object.fromEntries(
    Object.entries(names).map(([name, { manifests }]) => [name, manifests.map(manifestOf)]),
  );
}

const readAny: Reader<unknown> = (value) => value;

const readManifest = shape(
  {
    id: readMatching(/^[0-9a-f]{64}$/, 'an id'),
    platform: shape({ architecture: readText, os: readText }, { variant: readAny }),
  },
  { created: readAny, size: readAny },
);

const readNames = recordOf(shape({ manifests: listOf(readManifest) }, {}));

function manifestOf({ id, created, size, platform }: ReturnType<typeof readManifest>): SealerManifest {
  const { architecture, os, variant } = platform;
  return {
    id,
    created: typeof created === 'string' ? created : '',
    size: typeof size === 'number' ? size : 0,
    platform: { architecture, os, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) },
  };
}
