/** From names to content, each name once for all platforms of a build; what fails is collected, not thrown. */
import { ArchBuildError } from '../../errors.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { buildIndex } from '../../oci/manifest.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Credentials } from '../../transfer/auth-config.ts';
import { once } from '../../transfer/once.ts';
import { resolveForPlatform } from '../../transfer/resolve-image.ts';
import type { FoundContent, ImageSource } from './image-source.ts';

export interface WantedImage {
  readonly name: string;
  readonly reference: Reference;
  /** Never empty. */
  readonly platforms: readonly Platform[];
  readonly credentials?: Credentials;
}

export interface ResolvedImage extends FoundContent {
  /** The manifest of each platform, by its text form. */
  readonly manifests: ReadonlyMap<string, Descriptor>;
  /** Where it comes from. */
  readonly label: string;
}

/**
 * The first source that has the image for every platform. Where none has, but several have a manifest for one
 * platform each (archives of a `docker save` per machine), an index over them stands for the image.
 * Throws PLATFORM_NOT_FOUND, IMAGE_NOT_FOUND, and what a registry throws.
 */
export async function resolveImage(
  { reference, platforms }: WantedImage,
  sources: readonly ImageSource[],
): Promise<ResolvedImage> {
  const failures: ArchBuildError[] = [];
  const pieces = new Map<string, { manifest: Descriptor; content: ContentSource; label: string }>();
  for (const source of sources) {
    try {
      const found = await source.find(reference);
      if (found === undefined) continue;
      const { manifests, missing } = await manifestsOf(found, platforms);
      if (missing === undefined) return { ...found, manifests, label: source.label };
      failures.push(named(missing, source));
      for (const [platform, manifest] of manifests) {
        const isSingle = manifest.digest === found.root.digest;
        if (isSingle && !pieces.has(platform))
          pieces.set(platform, { manifest, content: found.content, label: source.label });
      }
    } catch (error) {
      if (!isAboutTheImage(error)) throw error;
      failures.push(error);
    }
  }
  if (pieces.size === platforms.length) return assemble(pieces, platforms);
  throw failures.at(-1) ?? nowhere(sources);
}

/** Of those platforms that are there; `missing` is an error about all the others. */
async function manifestsOf(
  { root, content }: FoundContent,
  platforms: readonly Platform[],
): Promise<{ manifests: Map<string, Descriptor>; missing: ArchBuildError | undefined }> {
  const manifests = new Map<string, Descriptor>();
  const absent: string[] = [];
  let hint: string | undefined;
  for (const platform of platforms) {
    try {
      const { manifest } = await resolveForPlatform(content, root, { platform });
      manifests.set(formatPlatform(platform), manifest);
    } catch (error) {
      if (!(error instanceof ArchBuildError) || !ABSENT.has(error.code)) throw error;
      absent.push(formatPlatform(platform));
      hint ??= error.hint;
    }
  }
  if (absent.length === 0) return { manifests, missing: undefined };
  const details = hint === undefined ? {} : { hint };
  const message = `not available for ${absent.join(', ')}`;
  return { manifests, missing: new ArchBuildError('PLATFORM_NOT_FOUND', message, details) };
}

/** An archive may lack the content of a platform that its index names. */
const ABSENT: ReadonlySet<string> = new Set(['PLATFORM_NOT_FOUND', 'BLOB_MISSING']);

/** An interruption, a full disk and a bug are not about the image. */
export const isAboutTheImage = (error: unknown): error is ArchBuildError =>
  error instanceof ArchBuildError && error.code !== 'INTERRUPTED' && error.code !== 'STORE';

const named = ({ code, message, hint }: ArchBuildError, { label }: ImageSource): ArchBuildError =>
  new ArchBuildError(code, `${label}: ${message}`, hint === undefined ? {} : { hint });

function assemble(
  pieces: ReadonlyMap<string, { manifest: Descriptor; content: ContentSource; label: string }>,
  platforms: readonly Platform[],
): ResolvedImage {
  const parts = platforms.flatMap((platform) => {
    const piece = pieces.get(formatPlatform(platform));
    return piece === undefined ? [] : [{ ...piece, platform }];
  });
  const { bytes, descriptor } = buildIndex(
    [...parts]
      .sort((one, other) => (formatPlatform(one.platform) < formatPlatform(other.platform) ? -1 : 1))
      .map(({ manifest, platform }) => ({ ...manifest, platform })),
  );
  const byDigest = new Map(parts.map(({ manifest, content }) => [manifest.digest, content]));
  return {
    root: descriptor,
    content: unionContent(descriptor, bytes, [...byDigest.values()]),
    manifests: new Map(parts.map(({ manifest, platform }) => [formatPlatform(platform), manifest])),
    label: parts.map(({ label }) => label).join(' and '),
  };
}

/** The index made up here, and whatever one of the contents has. */
function unionContent(index: Descriptor, bytes: Buffer, contents: readonly ContentSource[]): ContentSource {
  return {
    read: (descriptor) => (descriptor.digest === index.digest ? once(bytes) : firstOf(contents, descriptor)),
  };
}

async function* firstOf(
  contents: readonly ContentSource[],
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const [position, content] of contents.entries()) {
    try {
      yield* content.read(descriptor);
      return;
    } catch (error) {
      const isMissing = error instanceof ArchBuildError && error.code === 'BLOB_MISSING';
      if (!isMissing || position === contents.length - 1) throw error;
    }
  }
}

function nowhere(sources: readonly ImageSource[]): ArchBuildError {
  const asked = sources.map(({ label }) => label).join(', ');
  return new ArchBuildError('IMAGE_NOT_FOUND', `it is in none of the places asked: ${asked}`);
}
