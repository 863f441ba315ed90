/**
 * What a cluster image has in `registry/`, made by a registry: its storage after a push of all platforms, without the
 * manifests, configs and layers of the others.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

interface Document {
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
  }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

const STORAGE = 'docker/registry/v2';

/** `to` is a copy of the registry storage `from` that has nothing of other architectures. */
export function keepArchitecture(from: string, to: string, architecture: string): void {
  cpSync(from, to, { recursive: true });
  const blobs = join(to, STORAGE, 'blobs/sha256');
  const blobOf = (digest: string): string => join(blobs, digest.slice(7, 9), digest.slice(7));
  const read = (digest: string): Document =>
    JSON.parse(readFileSync(join(blobOf(digest), 'data'), 'utf8')) as Document;
  const repositories = join(to, STORAGE, 'repositories');
  const kept = new Set<string>();
  const dropped = new Set<string>();
  for (const index of indexes(repositories)) {
    for (const { digest, platform } of read(index).manifests ?? []) {
      const { config, layers = [] } = read(digest);
      const all = [
        digest,
        ...(config === undefined ? [] : [config.digest]),
        ...layers.map((layer) => layer.digest),
      ];
      for (const each of all) (platform.architecture === architecture ? kept : dropped).add(each);
    }
  }
  for (const digest of dropped) {
    if (kept.has(digest)) continue;
    rmSync(blobOf(digest), { recursive: true });
    removeLinks(repositories, digest.slice(7));
  }
}

function indexes(repositories: string): string[] {
  return readdirSync(repositories, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('/current/link'))
    .map((path) => readFileSync(join(repositories, path), 'utf8'));
}

function removeLinks(repositories: string, hex: string): void {
  for (const path of readdirSync(repositories, { recursive: true, encoding: 'utf8' }))
    if (path.endsWith(`/${hex}`)) rmSync(join(repositories, path), { recursive: true, force: true });
}
