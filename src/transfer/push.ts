/** Sends an image to a registry: content first, children before parents, the tag last. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseReference, withDefaultTag } from '../oci/reference.ts';
import { copyGraph, type CopyOptions } from './copy.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryOptions } from './registry-options.ts';
import { routesOf, withRoutes } from './registry-routes.ts';
import { RegistrySink, type MountSources } from './registry-sink.ts';
import { readDocument } from './verified-stream.ts';

/** `select`: a registry refuses an index whose children it does not have, so leave none out of one. */
export type PushOptions = RegistryOptions &
  CopyOptions & {
    /** Repositories of the name's registry that may have a blob already. */
    readonly mountSources?: MountSources;
  };

/**
 * What keeps a push from beginning is better known before layers are packed for it. Nothing is sent.
 * Throws REFERENCE_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK.
 */
export async function reachRepository(
  { root, name }: { readonly root: Descriptor; readonly name: string },
  options: RegistryOptions,
): Promise<void> {
  const routes = await routesOf(withDefaultTag(parseReference(name)), 'push', options);
  await using client = new RegistryClient(withRoutes(options, routes));
  await new RegistrySink(client, routes[0]).has(root);
}

/**
 * Throws REFERENCE_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK; DIGEST_MISMATCH when the name has another digest than
 * the image; and what the source throws.
 */
export async function pushImage(
  source: ContentSource,
  { root, name }: { readonly root: Descriptor; readonly name: string },
  options: PushOptions = {},
): Promise<void> {
  const reference = withDefaultTag(parseReference(name));
  if (reference.digest !== undefined && reference.digest !== root.digest) {
    throw new ArchBuildError('DIGEST_MISMATCH', `${root.digest} cannot be pushed as ${name}`);
  }
  const routes = await routesOf(reference, 'push', options);
  await using client = new RegistryClient(withRoutes(options, routes));
  const sink = new RegistrySink(client, routes[0], options.mountSources);
  await copyGraph(root, { from: source, to: sink }, options);
  if (reference.tag !== undefined) await sink.tag(reference.tag, root, await readDocument(source, root));
}
