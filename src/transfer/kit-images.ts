/**
 * The images that came along with a packed program: an OCI layout beside it, and a lock that says which content a
 * name means on a platform. They enter the store when somebody wants them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import { readDescriptor, type Descriptor } from '../oci/descriptor.ts';
import { matchesPlatform, parsePlatform, type Platform } from '../oci/platform.ts';
import { storeSink } from '../store/content-sink.ts';
import { packageRoot } from '../sys/package-root.ts';
import { controlOf, type TransferJob } from './transfer-job.ts';

export const KIT_FOLDER = 'kit';
export const LOCK_FILE = 'lock.json';

export interface LockedImage {
  /** What the name meant: an index keeps its digest though only some of its platforms came along. */
  readonly root: Descriptor;
  /** Digest of the platform's manifest. */
  readonly manifest: string;
}

/** By full name, then by platform. */
export type ImageLock = Readonly<Record<string, Readonly<Record<string, LockedImage>>>>;

export const formatLock = (images: ImageLock): string =>
  `${JSON.stringify({ schemaVersion: 1, images }, null, 2)}\n`;

export class KitImages {
  readonly #directory: string;
  readonly #lock: ImageLock;

  private constructor(directory: string, lock: ImageLock) {
    this.#directory = directory;
    this.#lock = lock;
  }

  /** Undefined where no kit is. Throws ARCHIVE_INVALID for a lock that cannot be read. */
  static open(directory = join(packageRoot(), KIT_FOLDER)): KitImages | undefined {
    const path = join(directory, LOCK_FILE);
    return existsSync(path)
      ? new KitImages(directory, parseLock(readFileSync(path, 'utf8'), path))
      : undefined;
  }

  find(name: string, platform: Platform): LockedImage | undefined {
    const platforms = Object.entries(this.#lock[name] ?? {});
    return platforms.find(([text]) => matchesPlatform(platform, parsePlatform(text)))?.[1];
  }

  platformsOf(name: string): Platform[] {
    return Object.keys(this.#lock[name] ?? {}).map((text) => parsePlatform(text));
  }

  /** What the name means, whichever platforms came along. */
  rootOf(name: string): Descriptor | undefined {
    return Object.values(this.#lock[name] ?? {})[0]?.root;
  }

  async content(): Promise<ContentSource> {
    const { OciLayout } = await import('./oci-layout.ts');
    return OciLayout.open(this.#directory);
  }

  /** Copies one platform into the store, verified. Undefined when the kit does not have it. */
  async bring(job: TransferJob, name: string, platform: Platform): Promise<Descriptor | undefined> {
    const found = this.find(name, platform);
    if (found === undefined) return undefined;
    const { store } = job;
    const options = {
      ...controlOf(job),
      select: (children: readonly Descriptor[]) => children.filter(({ digest }) => digest === found.manifest),
    };
    const { copyGraph } = await import('./copy.ts'); // most commands have no kit, or need nothing of it
    await copyGraph(found.root, { from: await this.content(), to: storeSink(store) }, options);
    // A name that the store gave to something else stays where it is.
    const isFree = store.images.find(name) === undefined && !name.includes('@');
    await store.images.put(found.root, isFree ? [name] : []);
    return found.root;
  }
}

function parseLock(text: string, path: string): ImageLock {
  try {
    const { images } = JSON.parse(text) as { images: Record<string, Record<string, LockedImage>> };
    return Object.fromEntries(
      Object.entries(images).map(([name, platforms]) => [name, parsePlatforms(platforms)]),
    );
  } catch (cause) {
    throw new ArchBuildError('ARCHIVE_INVALID', `${path} is no lock of a kit`, {
      hint: 'unpack the kit again',
      cause,
    });
  }
}

const parsePlatforms = (platforms: Record<string, LockedImage>): Record<string, LockedImage> =>
  Object.fromEntries(
    Object.entries(platforms).map(([text, { root, manifest }]) => {
      parsePlatform(text);
      return [text, { root: readDescriptor(root, text), manifest }];
    }),
  );
