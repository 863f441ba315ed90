/**
 * sealer v0.8's Image document, one for each platform: which layers the image has, how each was made, and what a
 * cluster runs. Its id is the digest of the document without the id. Pure.
 */
import { parse } from 'yaml';
import { ArchBuildError } from '../errors.ts';
import { digestOf, encodedOf, parseDigest, type Digest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { Platform } from '../oci/platform.ts';
import { formatGoYaml, type YamlValue } from './go-yaml.ts';

/** How the layer was made: an instruction, or (BASE) something that was no instruction of the Kubefile. */
export type SealerLayerType = 'COPY' | 'RUN' | 'BASE';

export interface SealerLayer {
  readonly id: Digest;
  readonly type: SealerLayerType;
  /** What stands behind the keyword. */
  readonly value: string;
}

export interface SealerImage {
  /** As sealer finds it again, `kubernetes:v1.19.8`. */
  readonly name: string;
  /** With the variants that sealer writes: arm64 is `v8`. */
  readonly platform: Platform;
  readonly layers: readonly SealerLayer[];
  /** What the cluster runs: of the base images (`parent`) and of the image itself. */
  readonly commands: { readonly parent: readonly string[]; readonly current: readonly string[] };
  readonly arguments: {
    readonly parent: Readonly<Record<string, string>>;
    readonly current: Readonly<Record<string, string>>;
  };
  readonly labels: Readonly<Record<string, string>>;
  /** Without a cluster in it. */
  readonly isApplication: boolean;
  /** The release whose documents these are. */
  readonly version: string;
}

export interface SealerDocument {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly text: string;
}

/** The last release that writes this document. */
export const SEALER_V08 = 'v0.8.6';

const CLUSTER_FILE = 'sea.aliyun.com/ClusterFile';

export function formatSealerImage(image: SealerImage): SealerDocument {
  const id = encodedOf(digestOf(formatGoYaml(documentOf(image, undefined))));
  return { id, text: formatGoYaml(documentOf(image, id)) };
}

function documentOf(image: SealerImage, id: string | undefined): YamlValue {
  const { name, layers, commands, platform } = image;
  return {
    kind: 'Image',
    metadata: {
      annotations: { [CLUSTER_FILE]: clusterFile(name) },
      creationTimestamp: null,
      name,
    },
    spec: {
      id,
      image_config: {
        args: present(image.arguments),
        cmd: present(commands),
        image_type: image.isApplication ? 'application' : undefined,
        labels: Object.keys(image.labels).length === 0 ? undefined : image.labels,
      },
      layers: layers.map((layer) => ({ id: layer.id, type: layer.type, value: layer.value })),
      platform: {
        architecture: platform.architecture,
        os: platform.os,
        os_version: platform['os.version'],
        variant: platform.variant,
      },
      sealer_version: image.version,
    },
    status: {},
  };
}

/** The fields that hold anything. */
function present(value: Readonly<Record<'current' | 'parent', YamlValue>>): YamlValue {
  const filled = Object.entries(value).filter(
    ([, each]) => each !== null && typeof each === 'object' && Object.keys(each).length > 0,
  );
  return Object.fromEntries(filled);
}

/** The cluster that `sealer run` starts from when nobody gives it another. */
const clusterFile = (image: string): string =>
  formatGoYaml({
    apiVersion: 'sealer.cloud/v2',
    kind: 'Cluster',
    metadata: { creationTimestamp: null, name: 'my-cluster' },
    spec: { image, ssh: { port: '22', user: 'root' } },
    status: {},
  });

/** Throws DOCUMENT_INVALID. The id is what the document says, whatever the digest of its text is. */
export function parseSealerImage(text: string): SealerImage & { readonly id: string } {
  const document = record(parseYaml(text), 'the document');
  if (document['kind'] !== 'Image') throw invalid('is of no kind "Image"');
  const spec = record(document['spec'], 'spec');
  const config = record(spec['image_config'] ?? {}, 'image_config');
  const platform = record(spec['platform'] ?? {}, 'platform');
  const variant = platform['variant'] ?? '';
  return {
    id: word(spec['id'], 'spec.id'),
    name: word(record(document['metadata'] ?? {}, 'metadata')['name'], 'metadata.name'),
    platform: {
      architecture: word(platform['architecture'], 'platform.architecture'),
      os: word(platform['os'], 'platform.os'),
      ...(variant === '' ? {} : { variant: word(variant, 'platform.variant') }),
    },
    layers: list(spec['layers'], 'layers').map(readLayer),
    commands: {
      parent: list(record(config['cmd'] ?? {}, 'cmd')['parent'], 'cmd.parent').map(String),
      current: list(record(config['cmd'] ?? {}, 'cmd')['current'], 'cmd.current').map(String),
    },
    arguments: {
      parent: words(record(config['args'] ?? {}, 'args')['parent'], 'args.parent'),
      current: words(record(config['args'] ?? {}, 'args')['current'], 'args.current'),
    },
    labels: words(config['labels'], 'labels'),
    isApplication: config['image_type'] === 'application',
    version: typeof spec['sealer_version'] === 'string' ? spec['sealer_version'] : '',
  };
}

function readLayer(value: unknown): SealerLayer {
  const layer = record(value, 'a layer');
  const type = (['COPY', 'RUN', 'BASE'] as const).find((known) => known === layer['type']);
  if (type === undefined) throw invalid(`has a layer of type ${JSON.stringify(layer['type'])}`);
  const said = layer['value'];
  return {
    id: parseDigest(word(layer['id'], 'a layer’s id')),
    type,
    value: typeof said === 'string' ? said : '',
  };
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 }) as unknown;
  } catch (cause) {
    throw invalid('is no YAML', cause);
  }
}

function record(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw invalid(`has no fields where ${what} belongs`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid(`has no list where ${what} belongs`);
}

function word(value: unknown, what: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`has no ${what}`);
}

/** YAML makes numbers and truths of words that look so. */
const words = (value: unknown, what: string): Record<string, string> =>
  Object.fromEntries(Object.entries(record(value ?? {}, what)).map(([key, each]) => [key, String(each)]));

const invalid = (what: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError('DOCUMENT_INVALID', `the Image document of sealer ${what}`, { cause });
