/** The rules of `verify.ts`, one row each: an id, why it matters, and a pure check of facts already read. */
import { ZSTD_LAYERS } from './annotations.ts';
import { algorithmOf, digestOf } from './digest.ts';
import type { Descriptor } from './descriptor.ts';
import type { Index, Manifest } from './manifest.ts';
import {
  familyOf,
  isConfigType,
  isLayerType,
  isManifestType,
  layerCompression,
  MEDIA_TYPES,
} from './media-types.ts';
import { formatPlatform } from './platform.ts';

/** An image with an error is not to be used. */
export type Severity = 'error' | 'warning';

/** A rule over facts of one kind; `check` yields a message for each breach. */
export interface Rule<Facts> {
  readonly id: string;
  /** Why it matters: one sentence. */
  readonly explain: string;
  /** Default: error. A warning is legal, and surprises whoever relies on it. */
  readonly severity?: Severity;
  readonly check: (facts: Facts) => readonly string[];
}

export interface ManifestFacts {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

export interface IndexFacts {
  readonly descriptor: Descriptor;
  readonly index: Index;
}

export interface ContentFacts {
  readonly descriptor: Descriptor;
  /** The whole content. */
  readonly bytes: Uint8Array;
}

export interface LayerFacts {
  readonly descriptor: Descriptor;
  /** The first stored bytes: 512, or all when there are fewer. */
  readonly head: Uint8Array;
}

export const INDEX_RULES: readonly Rule<IndexFacts>[] = [
  {
    id: 'index-media-type',
    explain: 'An index whose mediaType is not that of its descriptor can be taken for something else.',
    check: ({ descriptor, index }) => mediaTypeBreaches(descriptor, index.mediaType),
  },
  {
    id: 'index-family',
    explain: 'Registries and clients convert or refuse images that mix OCI and Docker types.',
    check: ({ descriptor, index }) => familyBreaches(descriptor, index.manifests),
  },
  {
    id: 'index-platform',
    explain:
      'Of several manifests only those with a platform of their own can be chosen: the first match wins.',
    check: ({ index }) => platformBreaches(index),
  },
  {
    id: 'index-data',
    explain: 'Clients may use the data of a descriptor in place of the content.',
    check: ({ index }) => index.manifests.flatMap(dataBreaches),
  },
];

export const MANIFEST_RULES: readonly Rule<ManifestFacts>[] = [
  {
    id: 'manifest-media-type',
    explain: 'A manifest whose mediaType is not that of its descriptor can be taken for something else.',
    check: ({ descriptor, manifest }) => mediaTypeBreaches(descriptor, manifest.mediaType),
  },
  {
    id: 'manifest-family',
    explain: 'Registries and clients convert or refuse images that mix OCI and Docker types.',
    check: ({ descriptor, manifest }) => familyBreaches(descriptor, [manifest.config, ...manifest.layers]),
  },
  {
    id: 'manifest-docker-extensions',
    explain: 'Docker manifests have neither annotations nor zstd layers; clients drop or refuse them.',
    check: ({ descriptor, manifest }) => dockerBreaches(descriptor, manifest),
  },
  {
    id: 'manifest-artifact-type',
    explain: 'A manifest with the empty config says with artifactType what it is.',
    check: ({ manifest }) =>
      manifest.config.mediaType === MEDIA_TYPES.ociEmpty && manifest.artifactType === undefined
        ? ['the config is empty and there is no artifactType']
        : [],
  },
  {
    id: 'manifest-layer-type',
    explain: 'An image can only be unpacked when all of its layers are filesystem layers.',
    check: ({ manifest }) =>
      isConfigType(manifest.config.mediaType)
        ? manifest.layers
            .filter(({ mediaType }) => !isLayerType(mediaType))
            .map(({ mediaType, digest }) => `layer ${digest} has the type ${mediaType}`)
        : [],
  },
  {
    id: 'manifest-data',
    explain: 'Clients may use the data of a descriptor in place of the content.',
    check: ({ manifest }) => [manifest.config, ...manifest.layers].flatMap(dataBreaches),
  },
];

export const CONTENT_RULES: readonly Rule<ContentFacts>[] = [
  {
    id: 'content-size',
    explain: 'A descriptor says how many bytes its content has.',
    check: ({ descriptor, bytes }) =>
      bytes.length === descriptor.size
        ? []
        : [`${bytes.length} bytes where the descriptor says ${descriptor.size}`],
  },
  {
    id: 'content-digest',
    explain: 'The digest of the content is the only reason to trust it.',
    check: ({ descriptor, bytes }) => {
      const found = digestOf(bytes, algorithmOf(descriptor.digest));
      return found === descriptor.digest
        ? []
        : [`the content's digest is ${found}, not ${descriptor.digest}`];
    },
  },
];

export const LAYER_RULES: readonly Rule<LayerFacts>[] = [
  {
    id: 'layer-compression',
    explain: 'Clients unpack a layer as its media type says, whatever its bytes are.',
    check: ({ descriptor, head }) => {
      const said = layerCompression(descriptor.mediaType);
      const found = packingOf(head);
      return said === undefined || said === found
        ? []
        : [`the type ${descriptor.mediaType} but the bytes are ${PACKING_NAMES[found]}`];
    },
  },
];

/** OCI documents should have a mediaType, older ones have none; Docker's must. */
function mediaTypeBreaches(descriptor: Descriptor, mediaType: string | undefined): string[] {
  if (mediaType === descriptor.mediaType) return [];
  if (mediaType !== undefined) {
    return [`the mediaType ${mediaType} where the descriptor says ${descriptor.mediaType}`];
  }
  return familyOf(descriptor.mediaType) === 'docker' ? ['no mediaType'] : [];
}

function familyBreaches(parent: Descriptor, children: readonly Descriptor[]): string[] {
  const family = familyOf(parent.mediaType);
  const others = children.filter(({ mediaType }) => (familyOf(mediaType) ?? family) !== family);
  return [...new Set(others.map(({ mediaType }) => `${mediaType} below ${parent.mediaType}`))];
}

/** Attestations have the platform unknown/unknown; they are told apart by their annotation. */
function platformBreaches(index: Index): string[] {
  const images = index.manifests.filter(({ mediaType }) => isManifestType(mediaType));
  const seen = new Set<string>();
  return images.flatMap(({ platform, digest, annotations }) => {
    if (platform === undefined) return images.length === 1 ? [] : [`no platform for ${digest}`];
    const name = formatPlatform(platform);
    if (platform.os === 'unknown') return [];
    if (platform.os === '' || platform.architecture === '') return [`an incomplete platform for ${digest}`];
    const key = `${name} ${annotations?.[ZSTD_LAYERS] ?? ''}`; // those who know the annotation choose by it, too
    if (seen.has(key)) return [`a second manifest for ${name}, which is never chosen: ${digest}`];
    seen.add(key);
    return [];
  });
}

/** `data` proves itself: its own length and digest must be those of the descriptor. */
function dataBreaches(descriptor: Descriptor): string[] {
  const { data, digest, size } = descriptor;
  if (data === undefined) return [];
  const bytes = Buffer.from(data, 'base64');
  const canonical = bytes.toString('base64') === data;
  return canonical && bytes.length === size && digestOf(bytes, algorithmOf(digest)) === digest
    ? []
    : [`the data of ${digest} is not its content`];
}

function dockerBreaches({ mediaType }: Descriptor, { annotations, layers }: Manifest): string[] {
  if (familyOf(mediaType) !== 'docker') return [];
  return [
    ...(annotations === undefined ? [] : ['annotations in a Docker manifest']),
    ...layers
      .filter((layer) => layerCompression(layer.mediaType) === 'zstd')
      .map(({ digest }) => `zstd layer ${digest} in a Docker manifest`),
  ];
}

const PACKING_NAMES = { none: 'a tar', gzip: 'gzip', zstd: 'zstd', other: 'something else' } as const;

const MAGICS: readonly (readonly [
  name: keyof typeof PACKING_NAMES,
  offset: number,
  bytes: readonly number[],
])[] = [
  ['gzip', 0, [0x1f, 0x8b]],
  ['zstd', 0, [0x28, 0xb5, 0x2f, 0xfd]],
  // Skippable frames, whose first byte is 0x50 to 0x5f, may come before the first real one.
  ['zstd', 1, [0x2a, 0x4d, 0x18]],
  ['none', 257, [0x75, 0x73, 0x74, 0x61, 0x72]],
];

function packingOf(head: Uint8Array): keyof typeof PACKING_NAMES {
  const known = MAGICS.find(([, offset, magic]) => magic.every((byte, i) => head[offset + i] === byte));
  if (known !== undefined) return known[0];
  // The end of an empty tar, and the tars of before 1988, which have a checksum and no magic.
  return head.length >= 512 && (head.every((byte) => byte === 0) || hasTarChecksum(head)) ? 'none' : 'other';
}

/** The header's sum of bytes with blanks in place of the sum itself, in octal at offset 148. */
function hasTarChecksum(head: Uint8Array): boolean {
  const header = head.subarray(0, 512);
  const text = Buffer.from(header.subarray(148, 156)).toString('latin1');
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return /^ *[0-7]+[ \0]*$/.test(text) && Number.parseInt(text, 8) === sum;
}
