/**
 * What the names of a build's bases mean: images of the store, of a kit, of an OCI layout, or a registry's.
 */
import { ArchBuildError, type ErrorCode } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hostPlatform } from '../emulation/host.ts';
import { describeFallback, type Reach } from '../oci/platform-choice.ts';
import { formatPlatform, platformOfConfig, uniquePlatforms, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { KitImages } from '../transfer/kit-images.ts';
import {
  hasPlatform,
  isMadeFor,
  readImage,
  wrongPlatform,
  type BaseImage,
  type BaseOrigin,
  type Wanted,
} from './base-image.ts';
import { bringFromLayout, contextKey } from './named-contexts.ts';
import { offlineError } from './offline-error.ts';
import type { Job, NamedContexts, PullPolicy } from './options.ts';
import { SharedWork } from './shared-work.ts';

export interface PullOptions {
  readonly pull: PullPolicy;
  /** Registries that are spoken to without TLS. */
  readonly insecure: readonly string[];
  /** Registries are never asked. */
  readonly offline: boolean;
  /** What may serve a platform an image is not there for: by default older variants of its architecture. */
  readonly reach?: Reach;
  /** None by default. */
  readonly buildContexts?: NamedContexts;
}

/** An image that will be asked for. */
export interface ExpectedImage {
  /** Full name. */
  readonly name: string;
  readonly platform: Platform;
  readonly use: ImageUse;
}

/** What stands on the image needs its platform; of what is copied from, files may be enough. */
export type ImageUse = 'base' | 'content';

export interface FoundImage extends BaseImage {
  /** Of the whole image. */
  readonly root: Descriptor;
  /** The one that was asked for, or the host's. */
  readonly platform: Platform;
  readonly origin: BaseOrigin;
}

interface Surroundings {
  /** A name is looked up for all the platforms it is expected for at once. */
  readonly expected?: readonly ExpectedImage[];
  readonly kit?: KitImages | undefined;
}

/**
 * What a name means is found out once, for all platforms and stages of a build: a tag that moves meanwhile cannot make
 * an image of two.
 */
export class BaseImages {
  readonly #job: Job;
  readonly #options: PullOptions;
  readonly #expected: readonly ExpectedImage[];
  readonly #kit: KitImages | undefined;
  /** By full name. */
  readonly #roots = new SharedWork<string, Descriptor>();
  /** By full name and platform: what was fetched later than the rest. */
  readonly #late = new SharedWork<string, Descriptor>();
  /** By digest and platform. */
  readonly #images = new Map<string, ReturnType<typeof readImage>>();
  /** For what is only copied from and not there for another platform. */
  #hosts: BaseImages | undefined;
  readonly #reach: Reach;
  /** Each once, however many stages begin with the image. */
  readonly #warnings = new Set<string>();

  constructor(job: Job, options: PullOptions, { expected = [], kit = KitImages.open() }: Surroundings = {}) {
    this.#job = job;
    this.#options = options;
    this.#expected = expected.filter(({ use }) => use === 'base');
    this.#kit = kit;
    this.#reach = options.reach ?? 'architecture';
  }

  /** True when the image, by its full name, can be had without a network. */
  has(name: string, platform: Platform, use: ImageUse = 'base'): boolean {
    const { store } = this.#job;
    const local = store.images.find(name)?.root;
    if (local !== undefined && this.#hasPlatform(local, platform)) return true;
    if (this.#kit?.find(name, platform) !== undefined) return true;
    const isElsewhere = use === 'content' && (local === undefined || !this.#mentions(local, platform));
    return isElsewhere && this.has(name, hostPlatform());
  }

  /**
   * What FROM means: a name, a named context, or the digest of an image of the store. What is only copied from is
   * taken for the host's platform, with a warning, when it was never made for the one that is asked for.
   * Throws IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND (naming what exists), REFERENCE_INVALID, NETWORK…
   */
  async get(text: string, platform: Platform, use: ImageUse = 'base'): Promise<FoundImage> {
    try {
      return await this.#get(text, platform);
    } catch (error) {
      if (use === 'base' || !isAbsent(error)) throw error;
      const found = await this.#hostsImage(text).catch(() => undefined);
      if (found === undefined || this.#mentions(found.root, platform)) throw error;
      const [lacking, taken] = [platform, found.platform].map(formatPlatform);
      this.#warn(`${text} is not there for ${lacking}: ${taken} is taken, because it is only copied from`);
      return found;
    }
  }

  /** With a look-up of its own: the one for the other platform has failed. */
  #hostsImage(text: string): Promise<FoundImage> {
    this.#hosts ??= new BaseImages(this.#job, this.#options, { kit: this.#kit });
    return this.#hosts.#get(text, hostPlatform());
  }

  async #get(text: string, platform: Platform): Promise<FoundImage> {
    const isNameless = this.#isStoredDigest(text);
    const full = isNameless ? text : contextKey(text);
    const context = this.#options.buildContexts?.get(full);
    const layout = context?.kind === 'layout' ? context : undefined;
    const name = context?.kind === 'image' ? context.reference : full;
    const root = await (layout === undefined
      ? this.resolve(name, platform)
      : bringFromLayout(this.#job, layout, platform));
    const { manifest, ...image } = this.#read({ name: text, root, platform });
    const fallback = describeFallback(full, platform, platformOfConfig(image.config));
    if (fallback !== undefined) this.#warn(fallback);
    const historyCount = image.config.history?.length ?? 0;
    const known = layout === undefined && !isNameless ? name : undefined;
    return { ...image, root, platform, origin: { name: known, digest: manifest.digest, historyCount } };
  }

  /** What a full name means, whatever named contexts say. Throws as `get` does. */
  async named(name: string, platform: Platform): Promise<BaseImage> {
    const root = await this.resolve(name, platform);
    return this.#read({ name, root, platform });
  }

  /** Once, however many stages and copies name it. */
  #read(wanted: Wanted): ReturnType<typeof readImage> {
    const key = keyOf(wanted);
    const image = this.#images.get(key) ?? readImage(this.#job.store, { ...wanted, reach: this.#reach });
    this.#images.set(key, image);
    return image;
  }

  /** `sha256:…` could be a repository too: it is an image when the store has one. */
  #isStoredDigest(text: string): boolean {
    return /^sha256:[0-9a-f]{64}$/.test(text) && this.#job.store.images.find(text) !== undefined;
  }

  /** What a full name means, with the platform's content in the store. Throws as `get` does. */
  async resolve(name: string, platform: Platform): Promise<Descriptor> {
    const root = await this.#roots.make(name, () => this.#find(name, platform));
    if (this.#images.has(keyOf({ root, platform })) || this.#hasPlatform(root, platform)) return root;
    return this.#late.make(`${name} ${formatPlatform(platform)}`, () =>
      this.#complete({ name, root, platform }),
    );
  }

  /** With the content of all the platforms that are expected of it. */
  async #find(name: string, platform: Platform): Promise<Descriptor> {
    const { store } = this.#job;
    const { pull, offline } = this.#options;
    const expected = this.#expected.filter((image) => image.name === name).map((image) => image.platform);
    const platforms = uniquePlatforms([platform, ...expected]);
    const local = store.images.find(name)?.root;
    const lacking = platforms.find((each) => local === undefined || !this.#hasPlatform(local, each));
    if (pull !== 'always' && local !== undefined && lacking === undefined) return local;
    const packed = pull === 'always' ? undefined : await this.#unpackKit(name, platforms);
    if (packed !== undefined) return packed;
    if (pull === 'never') {
      if (local !== undefined) return local; // whoever reads it says what it is for
      throw new ArchBuildError('IMAGE_NOT_FOUND', `no image ${JSON.stringify(name)} in the store`, {
        hint: 'get it with `arch-build pull`, `load` or `import`, or build without --pull never',
      });
    }
    const wanted = { name, platform: lacking ?? platform };
    if (offline) throw this.#unreachable({ ...wanted, root: local });
    return this.#pull(name, platforms, local && { ...wanted, root: local });
  }

  async #unpackKit(name: string, platforms: readonly Platform[]): Promise<Descriptor | undefined> {
    const kit = this.#kit;
    if (kit === undefined || platforms.some((platform) => kit.find(name, platform) === undefined))
      return undefined;
    const roots: (Descriptor | undefined)[] = [];
    for (const platform of platforms) roots.push(await kit.bring(this.#job, name, platform));
    return roots[0];
  }

  /** One more platform of what the name means already. */
  async #complete(wanted: Wanted): Promise<Descriptor> {
    const { name, root, platform } = wanted;
    const packed = await this.#kit?.bring(this.#job, name, platform);
    if (packed !== undefined) return packed;
    if (this.#options.pull === 'never') return root; // whoever reads it says what it is for
    if (this.#options.offline) throw this.#unreachable(wanted);
    const { domain, path } = parseReference(name);
    return this.#pull(formatReference({ domain, path, digest: root.digest }), [platform], wanted);
  }

  /** Whether the image was made for it, here or not. */
  #mentions(root: Descriptor, platform: Platform): boolean {
    return isMadeFor(this.#job.store, root, { platform, reach: this.#reach });
  }

  #hasPlatform(root: Descriptor, platform: Platform): boolean {
    return hasPlatform(this.#job.store, root, { platform, reach: this.#reach });
  }

  #warn(text: string): void {
    if (this.#warnings.has(text)) return;
    this.#warnings.add(text);
    this.#job.report({ type: 'warning', text });
  }

  #unreachable({
    name,
    root,
    platform,
  }: Omit<Wanted, 'root'> & { root: Descriptor | undefined }): ArchBuildError {
    if (root !== undefined) return wrongPlatform(this.#job.store, { name, root, platform });
    return offlineError(
      `${name} for ${formatPlatform(platform)}`,
      'bring it along: `arch-build kit` where there is a network, or `pull` and `save` there and `load` here',
    );
  }

  /** `instead`: what the store has under the name, and the platform that it lacks. */
  async #pull(
    name: string,
    platforms: readonly Platform[],
    instead: Wanted | undefined,
  ): Promise<Descriptor> {
    try {
      const { pullImage } = await import('../transfer/pull.ts'); // an HTTP client that most builds never need
      const { report } = this.#job;
      const job: Job = {
        ...this.#job,
        report: (event) => (event.type === 'warning' ? this.#warn(event.text) : report(event)),
      };
      const { insecure } = this.#options;
      return await pullImage(job, name, { platforms, reach: this.#reach, insecure });
    } catch (error) {
      if (instead === undefined || !(error instanceof ArchBuildError)) throw error;
      throw wrongPlatform(this.#job.store, { ...instead, cause: error });
    }
  }
}

const keyOf = ({ root, platform }: Pick<Wanted, 'root' | 'platform'>): string =>
  `${root.digest} ${formatPlatform(platform)}`;

const ABSENT: ReadonlySet<ErrorCode> = new Set(['PLATFORM_NOT_FOUND', 'IMAGE_NOT_FOUND', 'OFFLINE']);

const isAbsent = (error: unknown): boolean => error instanceof ArchBuildError && ABSENT.has(error.code);
