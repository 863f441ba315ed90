/** All places images are taken from, in the order in which they are asked: the user's, the kit, the store, registries. */
import type { Reporter } from '../../events.ts';
import type { Store } from '../../store/store.ts';
import type { Credentials } from '../../transfer/auth-config.ts';
import { KitImages } from '../../transfer/kit-images.ts';
import type { Reference } from '../../oci/reference.ts';
import { MirroredSource } from '../../transfer/mirrored-source.ts';
import { RegistryClient } from '../../transfer/registry-client.ts';
import type { RegistryOptions } from '../../transfer/registry-options.ts';
import { routesOf, withRoutes } from '../../transfer/registry-routes.ts';
import { RegistrySource } from '../../transfer/registry-source.ts';
import type { ImageSource } from './image-source.ts';
import { kitSource, openLocalSources, storeSource } from './local-sources.ts';

export interface SourceOptions {
  readonly store: Store;
  readonly report: Reporter;
  readonly signal: AbortSignal;
  /** Words of `--image-source`. */
  readonly words: readonly string[];
  /** `always`: not the store's; `never`: not a registry's. */
  readonly pull: 'always' | 'missing' | 'never';
  readonly offline: boolean;
  readonly insecure: readonly string[];
}

interface RegistryAccess extends RegistryOptions {
  /** Makes a directory for what mirrors send. */
  readonly scratch: () => string;
}

export class ImageSources implements AsyncDisposable {
  readonly #local: readonly ImageSource[];
  readonly #open: readonly AsyncDisposable[];
  readonly #registry: RegistryAccess | undefined;
  /** By what is said to registries. */
  readonly #clients = new Map<string, RegistryClient>();

  private constructor(
    local: readonly ImageSource[],
    open: readonly AsyncDisposable[],
    registry: RegistryAccess | undefined,
  ) {
    this.#local = local;
    this.#open = open;
    this.#registry = registry;
  }

  /** The caller disposes them. Throws USAGE, ARCHIVE_INVALID, IO for a word that is no source. */
  static async open(options: SourceOptions, kit = KitImages.open()): Promise<ImageSources> {
    const { store, words, pull, offline, insecure, report, signal } = options;
    const open: AsyncDisposable[] = [];
    const local: ImageSource[] = [];
    try {
      for (const word of words) local.push(...(await openLocalSources(word, { store, open })));
    } catch (error) {
      await disposeAll(open);
      throw error;
    }
    if (kit !== undefined) local.push(kitSource(kit));
    if (pull !== 'always') local.push(storeSource(store));
    const asksRegistries = pull !== 'never' && !offline;
    const scratch = (): string => store.makeDirectory('mirrored');
    return new ImageSources(local, open, asksRegistries ? { insecure, report, signal, scratch } : undefined);
  }

  /** In order; with credentials for the registry, which are for nobody else. */
  list(credentials?: Credentials): readonly ImageSource[] {
    if (this.#registry === undefined) return this.#local;
    return [...this.#local, this.#registrySource(this.#registry, credentials)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeAll([...this.#clients.values(), ...this.#open]);
  }

  /** Through the mirrors there are, but for a password that is given: that is for the registry alone. */
  #registrySource(options: RegistryAccess, credentials: Credentials | undefined): ImageSource {
    return {
      label: 'its registry',
      find: async (reference) => {
        const content =
          credentials === undefined
            ? await this.#mirrored(options, reference)
            : new RegistrySource(this.#client({ ...options, credentials }), reference);
        return { root: await content.resolve(reference), content };
      },
    };
  }

  async #mirrored(options: RegistryAccess, reference: Reference): Promise<MirroredSource> {
    const routes = await routesOf(reference, 'pull', options);
    return new MirroredSource(this.#client(withRoutes(options, routes)), routes, options.scratch);
  }

  #client(options: RegistryOptions): RegistryClient {
    const { credentials, insecure, identities = new Map<string, unknown>() } = options;
    const key = JSON.stringify([credentials, insecure, [...identities]]);
    const client = this.#clients.get(key) ?? new RegistryClient(options);
    this.#clients.set(key, client);
    return client;
  }
}

async function disposeAll(resources: readonly AsyncDisposable[]): Promise<void> {
  const ends = await Promise.allSettled(resources.map(async (each) => each[Symbol.asyncDispose]()));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
