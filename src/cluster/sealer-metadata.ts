/** sealer v0.8's list of images: `images_metadata.json` of its store, `Metadata` of its archives. Pure. */
import { ArchBuildError } from '../errors.ts';
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

/** Throws DOCUMENT_INVALID. */
export function parseSealerMetadata(text: string): SealerMetadata {
  return Object.fromEntries(
    Object.entries(fields(parseJson(text))).map(([name, value]) => {
      const { manifests } = fields(value);
      if (!Array.isArray(manifests)) throw invalid(`has no manifests for ${JSON.stringify(name)}`);
      return [name, manifests.map(readManifest)];
    }),
  );
}

function readManifest(value: unknown): SealerManifest {
  const { id, created, size, platform } = fields(value);
  const { architecture, os, variant } = fields(platform ?? {});
  if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) throw invalid('has a manifest without an id');
  if (typeof architecture !== 'string' || typeof os !== 'string') throw invalid(`has no platform for ${id}`);
  return {
    id,
    created: typeof created === 'string' ? created : '',
    size: typeof size === 'number' ? size : 0,
    platform: { architecture, os, ...(typeof variant === 'string' && variant !== '' ? { variant } : {}) },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid('is no JSON', cause);
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalid('has something else where an object belongs');
}

const invalid = (what: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError('DOCUMENT_INVALID', `the image list of sealer ${what}`, { cause });
