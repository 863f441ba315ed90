/** Descriptors: typed pointers to content. Source: OCI image-spec descriptor.md. */
import { digestOf, parseDigest, type DiffId, type Digest } from './digest.ts';
import { ordered, type JsonObject } from './json.ts';
import {
  invalidAt,
  listOf,
  readCount,
  readMatching,
  readText,
  recordOf,
  shape,
  type Reader,
} from './json-shape.ts';
import type { Platform } from './platform.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  /** The content itself in base64. */
  readonly data?: string;
}

export function describe(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** With the spec's fields in the spec's order, so that equal descriptors have equal JSON. */
export function orderedDescriptor(descriptor: Descriptor): JsonObject {
  const { platform, annotations } = descriptor;
  return ordered(
    {
      ...descriptor,
      ...(platform === undefined ? {} : { platform: ordered(platform, PLATFORM_ORDER) }),
      ...(annotations === undefined ? {} : { annotations: ordered(annotations) }),
    },
    DESCRIPTOR_ORDER,
  );
}

const DESCRIPTOR_ORDER = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'platform',
  'artifactType',
];
export const PLATFORM_ORDER: readonly string[] = [
  'architecture',
  'os',
  'os.version',
  'os.features',
  'variant',
];

/** RFC 6838 section 4.2. */
export const readMediaType: Reader<string> = readMatching(
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/,
  'a media type',
);

const readDigest: Reader<Digest> = (value, at) => {
  const text = readText(value, at);
  try {
    return parseDigest(text);
  } catch {
    throw invalidAt(at, `is not a sha256 or sha512 digest: ${JSON.stringify(text.slice(0, 160))}`);
  }
};

export const readDiffId = readDigest as Reader<unknown> as Reader<DiffId>;
export const readAnnotations: Reader<Readonly<Record<string, string>>> = recordOf(readText);

/** Platform names end up in messages and on terminals: no control characters, blanks or paths. */
const readName = readMatching(/^(?!\.)[\w.-]{0,128}$/, 'a platform name');
const readOsText = readMatching(/^[\x21-\x7e]{0,256}$/, 'a version or feature name');

export const PLATFORM_FIELDS = {
  required: { os: readName, architecture: readName },
  optional: { variant: readName, 'os.version': readOsText, 'os.features': listOf(readOsText) },
} as const;

export const readDescriptor: Reader<Descriptor> = shape(
  { mediaType: readMediaType, digest: readDigest, size: readCount },
  {
    platform: shape(PLATFORM_FIELDS.required, PLATFORM_FIELDS.optional),
    annotations: readAnnotations,
    artifactType: readMediaType,
    urls: listOf(readMatching(/^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/, 'a URL')),
    data: readMatching(/^[A-Za-z0-9+/]*={0,2}$/, 'base64'),
  },
);
