/** An OCI image layout directory (`oci-layout`, `index.json`, `blobs/`) as a source and as a sink. */
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, encodedOf, parseDigest } from '../oci/digest.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { buildIndex, parseIndex } from '../oci/manifest.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import { absentIn, withAbsent } from './absent-platforms.ts';
import { findImage, type ImageChoice } from './image-choice.ts';
import { indexEntries, namedImages, type NamedImage } from './image-list.ts';
import { verified } from './verified-stream.ts';

export const LAYOUT_FILE = '{"imageLayoutVersion":"1.0.0"}';
const READ_SIZE = 1 << 20;

export class OciLayout implements ContentSource, ContentSink {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Throws ARCHIVE_INVALID when the directory is not a layout of version 1. */
  static async open(directory: string): Promise<OciLayout> {
    const text = await readText(join(directory, 'oci-layout'));
    checkLayoutVersion(text, directory);
    return new OciLayout(directory);
  }

  /** Opens, or makes an empty one. Throws ARCHIVE_INVALID, IO. */
  static async create(directory: string): Promise<OciLayout> {
    const exists = await stat(join(directory, 'oci-layout')).catch(() => undefined);
    if (exists !== undefined) return OciLayout.open(directory);
    writeFileAtomic(join(directory, 'oci-layout'), LAYOUT_FILE);
    return new OciLayout(directory);
  }

  /** Throws DOCUMENT_INVALID for a bad index.json. */
  async images(): Promise<NamedImage[]> {
    const path = join(this.#directory, 'index.json');
    const exists = await stat(path).catch(() => undefined);
    return exists === undefined ? [] : namedImages(parseIndex(Buffer.from(await readText(path))).manifests);
  }

  /** By digest or tag; without either the only image there is, else `latest`. */
  async find({ tag, digest }: ImageChoice): Promise<Descriptor | undefined> {
    return findImage(await this.images(), { tag, digest })?.root;
  }

  /** Makes the names mean this image; with none, the image is listed without. Its content must be there. */
  async addImage(image: NamedImage): Promise<void> {
    await this.#list(image, () => true);
  }

  /** As `addImage`; what is left without a full name is not listed any more. */
  async replaceImage(image: NamedImage): Promise<void> {
    await this.#list(image, ({ references }) => references.length > 0);
  }

  async #list(
    { root, references, tags = [] }: NamedImage,
    staysListed: (other: NamedImage) => boolean,
  ): Promise<void> {
    const images = await this.images();
    const others = images
      .filter((image) => image.root.digest !== root.digest)
      .map((image) => ({
        root: image.root,
        references: image.references.filter((name) => !references.includes(name)),
        tags: (image.tags ?? []).filter((tag) => !tags.includes(tag)),
        ...(image.absent === undefined ? {} : { absent: image.absent }),
      }));
    const same = images.find((image) => image.root.digest === root.digest);
    const merged = {
      root,
      references: [...new Set([...(same?.references ?? []), ...references])],
      tags: [...new Set([...(same?.tags ?? []), ...tags])],
    };
    const marked = withAbsent(merged, await absentIn(this, root)); // another copy may have brought the rest
    const manifests = indexEntries([...others.filter(staysListed), marked]);
    writeFileAtomic(join(this.#directory, 'index.json'), buildIndex(manifests).bytes);
  }

  async *read(descriptor: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    const file = await this.#openBlob(descriptor);
    try {
      for await (const chunk of file.createReadStream({ highWaterMark: READ_SIZE, autoClose: false })) {
        yield chunk as Buffer;
      }
    } finally {
      await file.close();
    }
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    const found = await stat(this.#blob(descriptor)).catch(() => undefined);
    return found?.isFile() === true && found.size === descriptor.size;
  }

  async write(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#blob(descriptor);
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    const file = await open(temporary, 'wx');
    try {
      for await (const chunk of verified(descriptor, data)) await file.writeFile(chunk);
      await file.close();
      await rename(temporary, path);
    } catch (error) {
      await file.close().catch(() => undefined);
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** NONBLOCK: a pipe in the place of a blob must not make us wait for its writer. */
  async #openBlob(descriptor: Descriptor): Promise<FileHandle> {
    const path = this.#blob(descriptor);
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
      if (systemErrorCode(cause) !== 'ENOENT')
        throw new ArchBuildError('IO', `cannot read ${path}`, { cause });
      throw new ArchBuildError('BLOB_MISSING', `${this.#directory} does not have ${descriptor.digest}`);
    });
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new ArchBuildError('ARCHIVE_INVALID', `${path} is not a file`);
  }

  /** A descriptor may come from anywhere; its digest is looked at before it becomes a path. */
  #blob({ digest }: Descriptor): string {
    parseDigest(digest);
    return join(this.#directory, 'blobs', algorithmOf(digest), encodedOf(digest));
  }
}

/** Throws ARCHIVE_INVALID. Spec: image-layout.md "oci-layout file". */
export function checkLayoutVersion(text: string, where: string): void {
  let version: unknown;
  try {
    version = (JSON.parse(text) as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion;
  } catch {
    version = undefined;
  }
  if (typeof version === 'string' && /^1\.\d+\.\d+$/.test(version)) return;
  throw new ArchBuildError('ARCHIVE_INVALID', `${where} has an oci-layout file of no known version`);
}

async function readText(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new ArchBuildError('ARCHIVE_INVALID', `${path} is missing`, {
      hint: 'name the directory of an OCI image layout',
    });
  }
  if (found.size > limitOf('manifest-bytes'))
    throw beyondLimit('ARCHIVE_INVALID', 'manifest-bytes', `${path} is too large`);
  await access(path, constants.R_OK);
  return readFile(path, 'utf8');
}
