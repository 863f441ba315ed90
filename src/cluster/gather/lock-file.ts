/** `--image-lock`: what each name meant, so that the next build takes the same images. JSON, in order, one line a value. */
import { ArchBuildError } from '../../errors.ts';
import { readDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { parseDigest, type Digest } from '../../oci/digest.ts';
import { formatPlatform, parsePlatform } from '../../oci/platform.ts';

export interface LockedImage {
  /** What the name meant: an index for several platforms, else a manifest. */
  readonly root: Descriptor;
  /** The manifest of each platform, by its text form. */
  readonly manifests: ReadonlyMap<string, Digest>;
}

/** By full name. */
export type ImageLock = ReadonlyMap<string, LockedImage>;

const SCHEMA_VERSION = 1;

export function formatImageLock(lock: ImageLock): string {
  const names = [...lock.keys()].sort();
  const images = Object.fromEntries(
    names.map((name) => {
      const { root, manifests } = lock.get(name) ?? lost(name);
      const { mediaType, digest, size } = root;
      const platforms = Object.fromEntries([...manifests].sort(([one], [other]) => (one < other ? -1 : 1)));
      return [name, { mediaType, digest, size, platforms }];
    }),
  );
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, images }, null, 2)}\n`;
}

/** Throws GATHER naming the file for what is no lock. */
export function parseImageLock(text: string, path: string): ImageLock {
  try {
    const { schemaVersion, images } = JSON.parse(text) as { schemaVersion: unknown; images: unknown };
    if (schemaVersion !== SCHEMA_VERSION) throw new TypeError('another version');
    return new Map(Object.entries(images as object).map(([name, entry]) => [name, readEntry(name, entry)]));
  } catch (cause) {
    throw new ArchBuildError('GATHER', `${path} is no lock of images that this version reads`, {
      hint: 'remove the file: the build writes it anew',
      cause,
    });
  }
}

function readEntry(name: string, entry: unknown): LockedImage {
  const { platforms, ...root } = entry as { platforms: Record<string, string> };
  const manifests = Object.entries(platforms).map(
    ([text, digest]) => [formatPlatform(parsePlatform(text)), parseDigest(digest)] as const,
  );
  return { root: readDescriptor(root, name), manifests: new Map(manifests) };
}

function lost(name: string): never {
  throw new TypeError(`${name} was listed and lost`);
}
