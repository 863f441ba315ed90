/** Content by digest. A blob is written beside, verified, then renamed: it is there whole or not at all. */
import { randomBytes } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { algorithmOf, digestOf, encodedOf, parseDigest, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { StoreLayout } from './layout.ts';
import { writeContent } from './write-content.ts';

export type PresentBlobs = Pick<Blobs, 'has'>;

export class Blobs {
  readonly #layout: StoreLayout;
  /** A directory of the session for half-written blobs. */
  readonly #staging: () => string;

  constructor(layout: StoreLayout, staging: () => string) {
    this.#layout = layout;
    this.#staging = staging;
  }

  has(digest: Digest): boolean {
    return existsSync(this.#layout.blob(digest));
  }

  /** A whole document. Throws BLOB_MISSING; DIGEST_MISMATCH when the file was damaged. */
  readDocument(digest: Digest): Buffer {
    const path = this.#layout.blob(digest);
    try {
      if (statSync(path).size > Math.max(limitOf('manifest-bytes'), limitOf('config-bytes')))
        throw beyondLimit('DOCUMENT_INVALID', 'config-bytes', `${digest} is too large for a document`);
      const bytes = readFileSync(path);
      if (digestOf(bytes, algorithmOf(digest)) !== digest) throw damaged(digest);
      return bytes;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') throw missing(digest);
      throw error;
    }
  }

  read(digest: Digest): AsyncIterable<Uint8Array> {
    if (!this.has(digest)) throw missing(digest);
    return createReadStream(this.#layout.blob(digest), {
      highWaterMark: 1 << 20,
    }) as AsyncIterable<Uint8Array>;
  }

  writeDocument(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    if (!this.has(digest)) writeFileAtomic(this.#layout.blob(digest), bytes);
    return digest;
  }

  /** Streams into the store; digest and size are checked before the blob becomes visible. */
  async write(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    const target = this.#layout.blob(descriptor.digest);
    const temporary = join(this.#staging(), randomBytes(16).toString('hex'));
    try {
      {
        await using file = await open(temporary, 'wx');
        await writeContent(file, descriptor, { data });
      }
      mkdirSync(dirname(target), { recursive: true });
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  list(): Digest[] {
    return namesIn(this.#layout.blobs).flatMap((algorithm) =>
      namesIn(join(this.#layout.blobs, algorithm)).flatMap((name) => digestNamed(algorithm, name) ?? []),
    );
  }

  /** What there is now, at once: for those who would ask `has` thousands of times. */
  present(): PresentBlobs {
    const algorithms = namesIn(this.#layout.blobs);
    const names = new Map(
      algorithms.map((algorithm) => [algorithm, new Set(namesIn(join(this.#layout.blobs, algorithm)))]),
    );
    return { has: (digest) => names.get(algorithmOf(digest))?.has(encodedOf(digest)) === true };
  }

  sizeOf(digest: Digest): number {
    return statSync(this.#layout.blob(digest)).size;
  }

  /** When it came into the store, in milliseconds since 1970. */
  madeAt(digest: Digest): number {
    return statSync(this.#layout.blob(digest)).mtimeMs;
  }

  remove(digest: Digest): void {
    rmSync(this.#layout.blob(digest), { force: true });
  }
}

const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

/** Undefined for a file that is no blob, such as one whose writer was killed. */
function digestNamed(algorithm: string, name: string): Digest | undefined {
  try {
    return parseDigest(`${algorithm}:${name}`);
  } catch {
    return undefined;
  }
}

const missing = (digest: Digest): ArchBuildError =>
  new ArchBuildError('BLOB_MISSING', `the store does not have ${digest}`, {
    hint: 'pull or load the image again',
  });

const damaged = (digest: Digest): ArchBuildError =>
  new ArchBuildError('DIGEST_MISMATCH', `${digest} was damaged in the store`, {
    hint: 'remove the image with `arch-build rmi` and pull or load it again',
  });
