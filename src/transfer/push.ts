/** Sends an image to a registry: content first, children before parents, the tag last. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseReference, withDefaultTag, type Reference } from '../oci/reference.ts';
import { copyGraph, type CopyOptions } from './copy.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryOptions } from './registry-options.ts';
import { routesOf, withRoutes, type Route } from './registry-routes.ts';
import { RegistrySink, type MountSources } from './registry-sink.ts';
import { RegistrySource } from './registry-source.ts';
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
  const { digest } = parseReference(name);
  if (digest !== undefined && digest !== root.digest) {
    throw new ArchBuildError('DIGEST_MISMATCH', `${root.digest} cannot be pushed as ${name}`);
  }
  await using repository = await PushedRepository.open(name, options);
  await repository.push(source, root);
}

/** For who pushes there more than once: what it once had is not asked for again. */
export class PushedRepository implements AsyncDisposable {
  readonly reference: Reference;
  /** What is there, asked for where it is pushed to. */
  readonly source: RegistrySource;
  readonly #client: RegistryClient;
  readonly #sink: RegistrySink;
  readonly #options: PushOptions;
  readonly #there = new Set<Digest>();

  private constructor(reference: Reference, route: Route, options: PushOptions) {
    this.reference = reference;
    this.#options = options;
    this.#client = new RegistryClient(withRoutes(options, [route]));
    this.source = new RegistrySource(this.#client, route);
    this.#sink = new RegistrySink(this.#client, route, options.mountSources);
  }

  static async open(name: string, options: PushOptions): Promise<PushedRepository> {
    const reference = withDefaultTag(parseReference(name));
    const [route] = await routesOf(reference, 'push', options);
    return new PushedRepository(reference, route, options);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#sink.has(descriptor);
  }

  async push(source: ContentSource, root: Descriptor): Promise<void> {
    await copyGraph(root, { from: source, to: this.#remembering() }, this.#options);
    const { tag } = this.reference;
    if (tag !== undefined) await this.#sink.tag(tag, root, await readDocument(source, root));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #remembering(): ContentSink {
    const [there, sink] = [this.#there, this.#sink];
    return {
      has: async (descriptor) => {
        const has = there.has(descriptor.digest) || (await sink.has(descriptor));
        if (has) there.add(descriptor.digest);
        return has;
      },
      write: async (descriptor, data) => {
        await sink.write(descriptor, data);
        there.add(descriptor.digest);
      },
    };
  }
}
