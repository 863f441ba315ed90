/** `docker://NAME[:TAG|@DIGEST]`: a repository of a registry. */
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import { selectionOf, type ImageSource } from '../image-set.ts';
import { onlyImage } from '../image-choice.ts';
import { MirroredSource } from '../mirrored-source.ts';
import { mountSources } from '../mount-sources.ts';
import { PushedRepository, pushImage, reachRepository } from '../push.ts';
import { RegistryClient } from '../registry-client.ts';
import { routesOf, withRoutes } from '../registry-routes.ts';
import { controlOf, type Control } from '../transfer-job.ts';
import type { Place, Transport, TransportContext } from './transport.ts';

export const registryTransport: Transport = {
  prefix: 'docker://',
  syntax: 'docker://NAME[:TAG|@DIGEST]',
  place: (rest, text) => registryPlace(rest, text),
};

/** Layers travel packed, but under a digest that is given nothing may change. */
function registryPlace(name: string, text: string): Place {
  const { digest, domain } = parseReference(name);
  return {
    text,
    registry: domain,
    traits: { complete: true, ...(digest === undefined ? { packs: 'gzip' } : {}) },
    open: (context) => openRepository(name, context),
    reach: async (set, { registry = {}, ...job }) => {
      const { root } = onlyImage(set.images, text);
      await reachRepository({ root, name }, { ...registry, ...controlOf(job) });
    },
    look: async ({ registry = {}, ...job }) =>
      PushedRepository.open(name, { ...registry, ...controlOf(job) }),
    write: async (set, { registry = {}, ...job }) => {
      const { root } = onlyImage(set.images, text);
      const mounts = { mountSources: await mountSources(job.store, set, name) };
      const options = { ...registry, ...controlOf(job), ...selectionOf(set), ...mounts };
      await pushImage(set.content, { root, name }, options);
    },
  };
}

interface Scratch {
  readonly store: Pick<Store, 'makeDirectory'>;
}

/** The caller disposes it. Throws IMAGE_NOT_FOUND, REFERENCE_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK… */
export async function openRepository(
  name: string,
  { registry = {}, store, ...control }: Control & Pick<TransportContext, 'registry'> & Scratch,
): Promise<ImageSource & { readonly content: MirroredSource }> {
  const reference = withDefaultTag(parseReference(name));
  const options = { ...registry, ...controlOf(control) };
  const routes = await routesOf(reference, 'pull', options);
  const client = new RegistryClient(withRoutes(options, routes));
  try {
    const source = new MirroredSource(client, routes, () => store.makeDirectory('mirrored'));
    const root = await source.resolve(reference);
    // A digest names itself; a tag beside it may by now mean something else.
    const references = reference.digest === undefined ? [formatReference(reference)] : [];
    return {
      content: source,
      images: [{ references, root }],
      [Symbol.asyncDispose]: async () => client[Symbol.asyncDispose](),
    };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}
