/**
 * Images as the files of a registry's storage: what distribution's filesystem driver keeps below
 * `docker/registry/v2`. Values; a stock registry started on the directory serves them.
 *
 *   blobs/sha256/<2 digits>/<hex>/data                            every blob: layers, configs, manifests, indexes
 *   repositories/<name>/_layers/sha256/<hex>/link                 configs and layers
 *   repositories/<name>/_manifests/revisions/sha256/<hex>/link    manifests and indexes
 *   repositories/<name>/_manifests/tags/<tag>/current/link        what the tag means
 *   repositories/<name>/_manifests/tags/<tag>/index/sha256/<hex>/link
 *
 * An index is stored as it is, with the manifests of the wanted platform alone: laid over the storage of another
 * platform, it serves both.
 */
import { ArchBuildError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { algorithmOf, encodedOf, type Digest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { ContentGraph } from '../../transfer/content-graph.ts';

export interface StoredImage {
  readonly name: string;
  readonly reference: Reference;
  readonly root: Descriptor;
  readonly graph: ContentGraph;
}

export type RegistryFile =
  | { readonly path: string; readonly kind: 'link'; readonly text: string }
  | { readonly path: string; readonly kind: 'blob'; readonly descriptor: Descriptor };

/** In the rootfs. */
const REGISTRY_ROOT = 'registry/docker/registry/v2';

/**
 * What a repository is called in the registry. sealer leaves the registry's name out, so that a cluster asks its own
 * registry for `library/nginx`; `keep` puts it in front.
 */
export type DomainPolicy = 'drop' | 'keep';

export function repositoryOf({ domain, path }: Reference, policy: DomainPolicy): string {
  return policy === 'drop'
    ? path
    : `${domain
        .toLowerCase()
        .replace(/[^a-z0-9.]+/g, '-')
        .replace(/^-|-$/g, '')}/${path}`;
}

/** In order of their paths, each path once. */
export function registryFiles(images: readonly StoredImage[], policy: DomainPolicy): RegistryFile[] {
  const files = new Map<string, RegistryFile>();
  for (const image of images) for (const file of filesOf(image, policy)) files.set(file.path, file);
  return [...files.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function* filesOf({ reference, root, graph }: StoredImage, policy: DomainPolicy): Generator<RegistryFile> {
  const name = repositoryOf(reference, policy);
  const repository = `${REGISTRY_ROOT}/repositories/${name}`;
  const manifests = `${repository}/_manifests`;
  for (const { descriptor } of graph.documents) {
    yield blob(descriptor);
    yield link(`${manifests}/revisions`, descriptor.digest);
  }
  for (const descriptor of graph.blobs) {
    yield blob(descriptor);
    yield link(`${repository}/_layers`, descriptor.digest);
  }
  const { tag, digest } = reference;
  if (tag === undefined || digest !== undefined) return; // asked for by digest; the tag may mean something else
  yield link(`${manifests}/tags/${tag}/index`, root.digest);
  yield { path: tagPath(name, tag), kind: 'link', text: root.digest };
}

const blob = (descriptor: Descriptor): RegistryFile => ({
  path: blobPath(descriptor.digest),
  kind: 'blob',
  descriptor,
});

export function blobPath(digest: Digest): string {
  const hex = encodedOf(digest);
  return `${REGISTRY_ROOT}/blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`;
}

/** The file that says what a tag means. */
export const tagPath = (repository: string, tag: string): string =>
  `${REGISTRY_ROOT}/repositories/${repository}/_manifests/tags/${tag}/current/link`;

const link = (directory: string, digest: Digest): RegistryFile => ({
  path: `${directory}/${algorithmOf(digest)}/${encodedOf(digest)}/link`,
  kind: 'link',
  text: digest,
});

export interface Claim {
  readonly name: string;
  readonly reference: Reference;
  readonly root: Descriptor;
}

/** Two names that the registry could not tell apart and that mean different images. Throws GATHER naming them all. */
export function refuseCollisions(images: readonly Claim[], policy: DomainPolicy): void {
  const claims = new Map<string, Claim[]>();
  for (const image of images) {
    const { tag, digest } = image.reference;
    if (tag === undefined || digest !== undefined) continue;
    const key = `${repositoryOf(image.reference, policy)}:${tag}`;
    claims.set(key, [...(claims.get(key) ?? []), image]);
  }
  const items = [...claims].flatMap(([key, rivals]) => {
    if (new Set(rivals.map(({ root }) => root.digest)).size < 2) return [];
    return [
      `${key} is ${rivals.map(({ name, root }) => `${name} (${root.digest.slice(0, 19)})`).join(' and ')}`,
    ];
  });
  if (items.length === 0) return;
  throw new ArchBuildError(
    'GATHER',
    'different images would have the same name in the registry of the cluster',
    {
      items,
      hint: 'keep registries apart with --gather-names full, or leave one out with --ignored-image-list',
    },
  );
}
