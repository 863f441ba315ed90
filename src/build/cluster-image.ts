/**
 * What a cluster is told of an image, as the annotation that sealer v0.9 and later read: the applications in it, the
 * environment, and what to start. Values; a stage hands them on as it hands on its config.
 */
import { ArchBuildError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';

/** Of the manifest. */
export const EXTENSION_ANNOTATION = 'sealer.image.extension';
/** Of the manifest: the container images in `registry/`. */
export const IMAGES_ANNOTATION = 'sealer.image.container.images';
/** Where applications are in the image. */
export const APPLICATIONS = '/application/apps';

/** How an application is started when it has no commands of its own; empty when nobody can tell. */
export type ApplicationType = 'kube' | 'helm' | 'shell' | '';

export interface Application {
  readonly name: string;
  readonly type: ApplicationType;
  /** What is started, relative to the application's directory. */
  readonly files: readonly string[];
  readonly cmds?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface ClusterImage {
  /** `kube-installer`, or what the base says. */
  readonly type: string;
  readonly applications: readonly Application[];
  readonly env: Readonly<Record<string, string>>;
  readonly launch: { readonly cmds: readonly string[]; readonly apps: readonly string[] };
}

const NOTHING_TO_LAUNCH: ClusterImage['launch'] = { cmds: [], apps: [] };

export const EMPTY_CLUSTER: ClusterImage = {
  type: 'kube-installer',
  applications: [],
  env: {},
  launch: NOTHING_TO_LAUNCH,
};

/** What an image built on this one begins with: what the base starts is not inherited. */
export const inheritedCluster = (cluster: ClusterImage | undefined): ClusterImage | undefined =>
  cluster && { ...cluster, launch: NOTHING_TO_LAUNCH };

/** Does it say more than that there is an environment, which the config says as well? */
export const isClusterImage = ({ applications, launch }: ClusterImage): boolean =>
  applications.length > 0 || launch.cmds.length > 0 || launch.apps.length > 0;

export function formatExtension({ type, applications, env, launch }: ClusterImage): string {
  return JSON.stringify({
    buildClient: { sealerVersion: 'arch-build', buildahVersion: '' },
    schemaVersion: 'v1alpha1',
    type,
    applications: applications.map(({ name, type: kind, files, cmds, env: own }) => ({
      name,
      type: kind,
      files,
      version: 'v1',
      ...(own === undefined ? {} : { env: own }),
      ...(cmds === undefined ? {} : { cmds }),
    })),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    launch: {
      ...(launch.cmds.length === 0 ? {} : { cmds: launch.cmds }),
      ...(launch.apps.length === 0 ? {} : { app_names: launch.apps }),
    },
  });
}

export const formatContainerImages = (names: readonly string[], platform: Platform): string =>
  JSON.stringify(
    names.map((image) => ({
      image,
      platform: {
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      },
    })),
  );

/** The names in such a text. Throws DOCUMENT_INVALID. */
export function parseContainerImages(text: string): string[] {
  return readList(parseJson(text)).flatMap((each) => {
    const { image } = readObject(each);
    return typeof image === 'string' ? [image] : [];
  });
}

/** Throws DOCUMENT_INVALID for an annotation that is none of sealer's. */
export function parseExtension(text: string): ClusterImage {
  const value = readObject(parseJson(text));
  const launch = readObject(value['launch'] ?? {});
  return {
    type: typeof value['type'] === 'string' ? value['type'] : EMPTY_CLUSTER.type,
    applications: readList(value['applications']).map(readApplication),
    env: readStrings(value['env']),
    launch: {
      cmds: readList(launch['cmds']).map(readText),
      apps: readList(launch['app_names']).map(readText),
    },
  };
}

function readApplication(value: unknown): Application {
  const { name, type, files, cmds, env } = readObject(value);
  return {
    name: readText(name),
    type: TYPES.find((known) => known === type) ?? '',
    files: readList(files).map(readText),
    ...(cmds === undefined || cmds === null ? {} : { cmds: readList(cmds).map(readText) }),
    ...(env === undefined || env === null ? {} : { env: readStrings(env) }),
  };
}

const TYPES: readonly ApplicationType[] = ['kube', 'helm', 'shell'];

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid('is no JSON', cause);
  }
}

function readObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw invalid('has something else where an object belongs');
}

/** sealer writes `null` for an empty list. */
function readList(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid('has something else where a list belongs');
}

function readText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid('has something else where a text belongs');
}

const readStrings = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(readObject(value ?? {})).map(([key, text]) => [key, readText(text)]));

const invalid = (what: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError('DOCUMENT_INVALID', `the annotation ${EXTENSION_ANNOTATION} ${what}`, { cause });
