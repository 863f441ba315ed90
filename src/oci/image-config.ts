/**
 * Image configs: what a container of an image is started with, and the layers' diffIDs and history. Sources: OCI
 * image-spec config.md; moby docker-image-spec for Healthcheck, OnBuild and Shell.
 *
 * Unknown fields survive a parse and a format, so that a base image's extensions reach the images built on it.
 */
import { PLATFORM_FIELDS, PLATFORM_ORDER, readDiffId } from './descriptor.ts';
import type { DiffId } from './digest.ts';
import { formatJson, ordered, parseJson, type JsonObject } from './json.ts';
import {
  invalidAt,
  listOf,
  readCount,
  readFlag,
  readMatching,
  readText,
  recordOf,
  shape,
  type Reader,
} from './json-shape.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/** Durations in nanoseconds; 0 or absent means inherited or default. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface ContainerConfig {
  readonly User?: string;
  /** Keys such as `80/tcp`; the values are empty objects. */
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  /** `NAME=value`. */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  /** Keys are paths; the values are empty objects. */
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
}

export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The entry has no layer. */
  readonly empty_layer?: boolean;
}

export interface ImageConfig extends Platform {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly DiffId[] };
  readonly history?: readonly HistoryEntry[];
}

/** Known fields are typed, unknown ones survive, null is absent. Throws DOCUMENT_INVALID. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  return readImageConfig(parseJson(bytes, 'the image config', 'config-bytes'), 'config');
}

/** The same bytes for equal configs: known fields in the order Docker and BuildKit write them, then the others. */
export function formatImageConfig(config: ImageConfig): Buffer {
  return formatJson(
    ordered(
      {
        ...config,
        ...(config.config === undefined ? {} : { config: orderedContainerConfig(config.config) }),
        rootfs: ordered(config.rootfs, ['type', 'diff_ids']),
        ...(config.history === undefined
          ? {}
          : { history: config.history.map((entry) => ordered(entry, HISTORY_ORDER)) }),
      },
      CONFIG_ORDER,
    ),
  );
}

/** The config of an image without layers. */
export function emptyImageConfig(platform: Platform): ImageConfig {
  return {
    ...normalizePlatform(platform),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  };
}

/** The Env list as a map; of two equal names the last counts, an entry without `=` is an empty value. */
export function environmentOf(config: ImageConfig): Map<string, string> {
  const environment = new Map<string, string>();
  for (const entry of config.config?.Env ?? []) {
    const name = nameOf(entry);
    if (name !== '') environment.set(name, entry.slice(name.length + 1));
  }
  return environment;
}

/** Replaces variables in place and appends new ones, so that the order of the base image's list is kept. */
export function withEnvironment(config: ImageConfig, added: ReadonlyMap<string, string>): ImageConfig {
  const left = new Map(added);
  const kept = (config.config?.Env ?? []).flatMap((entry) => {
    const name = nameOf(entry);
    if (!added.has(name)) return [entry];
    const value = left.get(name);
    left.delete(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const Env = [...kept, ...[...left].map(([name, value]) => `${name}=${value}`)];
  return { ...config, config: { ...config.config, Env } };
}

function nameOf(entry: string): string {
  const equals = entry.indexOf('=');
  return equals < 0 ? entry : entry.slice(0, equals);
}

const CONFIG_ORDER = ['created', 'author', ...PLATFORM_ORDER, 'config', 'rootfs', 'history'];
const CONTAINER_ORDER = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
];
const HISTORY_ORDER = ['created', 'created_by', 'author', 'comment', 'empty_layer'];
const HEALTHCHECK_ORDER = ['Test', 'Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'];

function orderedContainerConfig(config: ContainerConfig): JsonObject {
  const sorted = { ...config } as Record<string, unknown>;
  const { ExposedPorts, Volumes, Labels, Healthcheck } = config;
  for (const [key, map] of Object.entries({ ExposedPorts, Volumes, Labels })) {
    if (map !== undefined) sorted[key] = ordered(map);
  }
  if (Healthcheck !== undefined) sorted['Healthcheck'] = ordered(Healthcheck, HEALTHCHECK_ORDER);
  return ordered(sorted, CONTAINER_ORDER);
}

const readTexts = listOf(readText);
/** A set as Go writes it: the values are `{}`, sometimes null. */
const readSet = recordOf<object>((value, at) => {
  if (value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value;
  throw invalidAt(at, 'is not an object');
});
const readTime = readMatching(
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/,
  'a time such as 2024-01-31T12:00:00Z',
);

const readHealthcheck: Reader<Healthcheck> = shape(
  {},
  {
    Test: readTexts,
    Interval: readCount,
    Timeout: readCount,
    StartPeriod: readCount,
    StartInterval: readCount,
    Retries: readCount,
  },
);

const readContainerConfig: Reader<ContainerConfig> = shape(
  {},
  {
    User: readText,
    ExposedPorts: readSet,
    Env: readTexts,
    Entrypoint: readTexts,
    Cmd: readTexts,
    Volumes: readSet,
    WorkingDir: readText,
    Labels: recordOf(readText),
    StopSignal: readText,
    ArgsEscaped: readFlag,
    Healthcheck: readHealthcheck,
    OnBuild: readTexts,
    Shell: readTexts,
  },
);

const readHistoryEntry: Reader<HistoryEntry> = shape(
  {},
  { created: readTime, created_by: readText, author: readText, comment: readText, empty_layer: readFlag },
);

const readRootfs: Reader<ImageConfig['rootfs']> = shape(
  {
    type: (value, at): 'layers' => {
      if (value === 'layers') return value;
      throw invalidAt(at, 'is not "layers"');
    },
    diff_ids: listOf(readDiffId),
  },
  {},
);

const readImageConfig: Reader<ImageConfig> = shape(
  { ...PLATFORM_FIELDS.required, rootfs: readRootfs },
  {
    ...PLATFORM_FIELDS.optional,
    created: readTime,
    author: readText,
    config: readContainerConfig,
    history: listOf(readHistoryEntry),
  },
);
