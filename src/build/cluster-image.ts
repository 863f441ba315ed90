/**
 * What a cluster is told of an image, as the annotation that sealer v0.9 and later read: the applications in it, the
 * environment, and what to start. Values; a stage hands them on as it hands on its config.
 */
import { ArchBuildError } from '../errors.ts';
import { listOf, readObject, readText, recordOf, shape, type Reader } from '../oci/json-shape.ts';
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

/** The names in such a text; sealer writes `null` for none. Throws DOCUMENT_INVALID. */
export function parseContainerImages(text: string): string[] {
  const images = listOf(readObject)(parseJson(text, IMAGES_ANNOTATION) ?? [], IMAGES_ANNOTATION);
  return images.flatMap(({ image }) => (typeof image === 'string' ? [image] : []));
}

/** Throws DOCUMENT_INVALID for an annotation that is none of sealer's. */
export function parseExtension(text: string): ClusterImage {
  const { type, applications, env, launch } = readExtension(
    parseJson(text, EXTENSION_ANNOTATION),
    EXTENSION_ANNOTATION,
  );
  return {
    type: typeof type === 'string' ? type : EMPTY_CLUSTER.type,
    applications: (applications ?? []).map(applicationOf),
    env: env ?? {},
    launch: { cmds: launch?.cmds ?? [], apps: launch?.app_names ?? [] },
  };
}

const readAnything: Reader<unknown> = (value) => value;
const readTexts = listOf(readText);
const readStrings = recordOf(readText);
const readApplication = shape(
  { name: readText },
  { type: readAnything, files: readTexts, cmds: readTexts, env: readStrings },
);
const readExtension = shape(
  {},
  {
    type: readAnything,
    applications: listOf(readApplication),
    env: readStrings,
    launch: shape({}, { cmds: readTexts, app_names: readTexts }),
  },
);

const TYPES: readonly ApplicationType[] = ['kube', 'helm', 'shell'];

function applicationOf({ name, type, files, cmds, env }: ReturnType<typeof readApplication>): Application {
  return {
    name,
    type: TYPES.find((known) => known === type) ?? '',
    files: files ?? [],
    ...(cmds === undefined ? {} : { cmds }),
    ...(env === undefined ? {} : { env }),
  };
}

function parseJson(text: string, annotation: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ArchBuildError('DOCUMENT_INVALID', `${annotation} is no JSON`, { cause });
  }
}
