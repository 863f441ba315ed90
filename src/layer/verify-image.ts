/**
 * Everything that can be checked about an image without running it: every blob is read, every document parsed, every
 * layer unpacked in thought. Findings are collected, so that one look shows them all.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { beyondLimit, limitOf, type LimitName } from '../oci/limits.ts';
import { parseDocument, type Index, type Manifest } from '../oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts';
import {
  verifyConfig,
  verifyContent,
  verifyIndex,
  verifyManifest,
  type Finding,
  type Subject,
} from '../oci/verify.ts';
import type { ProgramAudit } from './audit-programs.ts';
import { LayerVerifier } from './verify-layers.ts';

export interface VerifyOptions {
  /** Only this one of an index. */
  readonly platform?: Platform | undefined;
  /** A place may lack some of an index's manifests: that is a warning then, and an error otherwise. */
  readonly mayBePartial?: boolean;
  /** Look at every file's first bytes and at the layers together. */
  readonly audit?: ProgramAudit | undefined;
}

/** No finding is thrown; what says nothing about the image is: IO, NETWORK, TOOL_MISSING and the like. */
export async function verifyImage(
  source: ContentSource,
  root: Descriptor,
  options: VerifyOptions = {},
): Promise<Finding[]> {
  return new ImageVerifier(source, options).verify(root);
}

/** Several images of one source: what they share is read once. */
export class ImageVerifier {
  /** Everything that was looked at, there or not. */
  readonly reached = new Set<Digest>();
  readonly #source: ContentSource;
  readonly #options: VerifyOptions;
  readonly #layers: LayerVerifier;

  constructor(source: ContentSource, options: VerifyOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.#layers = new LayerVerifier(source, options.audit);
  }

  /** `isPartial`: whoever has the image says that it lacks some platforms. */
  async verify(root: Descriptor, isPartial = false): Promise<Finding[]> {
    const verification = new Verification(this.#source, this.#layers, {
      ...this.#options,
      mayBePartial: isPartial || this.#options.mayBePartial === true,
      reached: this.reached,
    });
    await verification.visit(root, { depth: 0 });
    return verification.findings;
  }
}

interface Place {
  readonly platform?: string;
  /** How many indexes are above. */
  readonly depth: number;
}

class Verification {
  readonly findings: Finding[] = [];
  readonly #source: ContentSource;
  readonly #layers: LayerVerifier;
  readonly #options: VerifyOptions & { readonly reached: Set<Digest> };
  /** Documents by media type and digest. Loops cannot be: a document would have to hold its own digest. */
  readonly #visited = new Set<string>();
  /** Blobs this image has had its findings about. */
  readonly #reported = new Set<string>();
  #descriptors = 0;

  constructor(
    source: ContentSource,
    layers: LayerVerifier,
    options: VerifyOptions & { readonly reached: Set<Digest> },
  ) {
    this.#source = source;
    this.#layers = layers;
    this.#options = options;
  }

  async visit(descriptor: Descriptor, place: Place): Promise<void> {
    const { mediaType, digest } = descriptor;
    this.#options.reached.add(digest);
    const isDocument = isIndexType(mediaType) || isManifestType(mediaType);
    const kind = isIndexType(mediaType) ? 'index' : isDocument ? 'manifest' : 'content';
    const subject = subjectOf(kind, descriptor, place);
    if (!isDocument) return this.#blob(descriptor, subject);
    if (this.#isBeyond('index-depth', place.depth + 1, subject)) return;
    if (this.#visited.has(`${mediaType} ${digest}`)) return;
    this.#visited.add(`${mediaType} ${digest}`);
    const bytes = await this.#document(descriptor, subject, 'manifest-bytes');
    const document = bytes && this.#parsed(subject, () => parseDocument(bytes, mediaType));
    if (document?.kind === 'index') await this.#index(descriptor, document.index, { place, subject });
    if (document?.kind === 'manifest')
      await this.#manifest(descriptor, document.manifest, { place, subject });
  }

  async #index(
    descriptor: Descriptor,
    index: Index,
    { place, subject }: { readonly place: Place; readonly subject: Subject },
  ): Promise<void> {
    this.findings.push(...verifyIndex({ descriptor, index }, subject));
    this.#descriptors += index.manifests.length;
    if (this.#isBeyond('index-children', index.manifests.length, subject)) return;
    if (this.#isBeyond('descriptors', this.#descriptors, subject)) return;
    const wanted = this.#wantedOf(index);
    if (wanted.length === 0 && this.#options.platform !== undefined) {
      const name = formatPlatform(this.#options.platform);
      this.#report('platform-absent', subject, `the index has no manifest for ${name}`);
    }
    for (const entry of wanted) {
      const platform = entry.platform === undefined ? place.platform : formatPlatform(entry.platform);
      await this.visit(entry, {
        ...(platform === undefined ? {} : { platform }),
        depth: place.depth + 1,
      });
    }
  }

  /** With a platform: its manifests, and nested indexes that do not say what they are for. */
  #wantedOf({ manifests }: Index): readonly Descriptor[] {
    const { platform: wanted } = this.#options;
    if (wanted === undefined) return manifests;
    return manifests.filter(({ mediaType, platform }) =>
      platform === undefined ? isIndexType(mediaType) : matchesPlatform(wanted, platform),
    );
  }

  async #manifest(
    descriptor: Descriptor,
    manifest: Manifest,
    { place, subject }: { readonly place: Place; readonly subject: Subject },
  ): Promise<void> {
    this.findings.push(...verifyManifest({ descriptor, manifest }, subject));
    for (const { digest } of [manifest.config, ...manifest.layers]) this.#options.reached.add(digest);
    const configSubject = subjectOf('config', manifest.config, place);
    const isImage = isConfigType(manifest.config.mediaType);
    if (!isImage) await this.#blob(manifest.config, configSubject);
    const config = isImage ? await this.#config(descriptor, manifest, configSubject) : undefined;
    const layers = manifest.layers.map((layer, index) => ({
      layer,
      subject: subjectOf(`layer ${index + 1}`, layer, place),
      diffId: config?.rootfs.diff_ids[index],
    }));
    const platform = config ?? descriptor.platform;
    if (isImage) await this.#layers.stack(layers, { platform, ...this.#reporting() });
    else for (const each of layers) await this.#blob(each.layer, each.subject);
  }

  async #config(
    { platform }: Descriptor,
    manifest: Manifest,
    subject: Subject,
  ): Promise<ImageConfig | undefined> {
    const bytes = await this.#document(manifest.config, subject, 'config-bytes');
    const config = bytes && this.#parsed(subject, () => parseImageConfig(bytes));
    if (config !== undefined) this.findings.push(...verifyConfig({ manifest, config, platform }, subject));
    return config;
  }

  async #blob(descriptor: Descriptor, subject: Subject): Promise<void> {
    await this.#layers.blob(descriptor, { subject, ...this.#reporting() });
  }

  #reporting(): { findings: Finding[]; reported: Set<string> } {
    return { findings: this.findings, reported: this.#reported };
  }

  /** The whole bytes of a document, when they are what the descriptor says. */
  async #document(descriptor: Descriptor, subject: Subject, limit: LimitName): Promise<Buffer | undefined> {
    if (this.#isBeyond(limit, descriptor.size, subject)) return undefined;
    const bytes = await this.#unlessMissing(descriptor, subject);
    if (bytes === undefined) return undefined;
    const findings = verifyContent({ descriptor, bytes }, subject);
    this.findings.push(...findings);
    return findings.length === 0 ? bytes : undefined;
  }

  async #unlessMissing(descriptor: Descriptor, subject: Subject): Promise<Buffer | undefined> {
    try {
      return await readUpTo(this.#source, descriptor);
    } catch (error) {
      if (!(error instanceof ArchBuildError) || error.code !== 'BLOB_MISSING') throw error;
      const mayLack = this.#options.mayBePartial === true && subject.platform !== undefined;
      if (mayLack && isManifestType(descriptor.mediaType))
        this.findings.push({ code: 'platform-absent', severity: 'warning', ...subject, message: NOT_HERE });
      else this.#report('content-missing', subject, error.message);
      return undefined;
    }
  }

  #parsed<T>(subject: Subject, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof ArchBuildError)) throw error;
      this.#report('document', subject, error.message);
      return undefined;
    }
  }

  #isBeyond(name: LimitName, found: number, subject: Subject): boolean {
    const limit = limitOf(name);
    if (found <= limit) return false;
    const { message, hint = '' } = beyondLimit(
      'DOCUMENT_INVALID',
      name,
      `${found}, more than the ${limit} allowed`,
    );
    this.#report(`limit-${name}`, subject, `${message} (${hint})`);
    return true;
  }

  #report(code: string, subject: Subject, message: string): void {
    this.findings.push({ code, severity: 'error', ...subject, message });
  }
}

const NOT_HERE = 'the image has this platform, but not here';

function subjectOf(kind: string, { digest }: Descriptor, { platform }: Place): Subject {
  return platform === undefined
    ? { where: `${kind} ${digest}`, digest }
    : { where: `${platform} ${kind} ${digest}`, digest, platform };
}

/** One chunk more than promised is enough to see that it is too long. */
async function readUpTo(source: ContentSource, descriptor: Descriptor): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source.read(descriptor)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > descriptor.size) break;
  }
  return Buffer.concat(chunks);
}
