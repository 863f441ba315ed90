/** The layers of images: each blob read once for all images of a source, then each stack looked at as a whole. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, type DiffId } from '../oci/digest.ts';
import { isForeignLayerType, isLayerType } from '../oci/media-types.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Finding, Subject } from '../oci/verify.ts';
import type { ProgramAudit } from './audit-programs.ts';
import { formatBytePath } from './byte-path.ts';
import { verifyBlob } from './verify-blob.ts';
import type { LayerSurvey } from './verify-entries.ts';
import { entryFinding, verifyLayer, type VerifiedLayer } from './verify-layer.ts';
import { hardLinkFindings, idleWhiteoutFindings } from './verify-stack.ts';

/** Where findings go; `reported` has the blobs that this image has had its findings about. */
interface Reporting {
  readonly findings: Finding[];
  readonly reported: Set<string>;
}

interface StackedLayer {
  readonly layer: Descriptor;
  readonly subject: Subject;
  /** What the config says. */
  readonly diffId: DiffId | undefined;
}

export class LayerVerifier {
  readonly #source: ContentSource;
  readonly #audit: ProgramAudit | undefined;
  readonly #known = new Map<string, VerifiedLayer>();

  constructor(source: ContentSource, audit: ProgramAudit | undefined) {
    this.#source = source;
    this.#audit = audit;
  }

  /** The layers of one manifest, base first. */
  async stack(
    layers: readonly StackedLayer[],
    { platform, ...reporting }: Reporting & { readonly platform: Platform | undefined },
  ): Promise<void> {
    const below: (LayerSurvey | undefined)[] = [];
    for (const { layer, subject, diffId } of layers) {
      if (!isLayerType(layer.mediaType)) await this.blob(layer, { subject, ...reporting });
      else {
        const verified = await this.#layer(layer, diffId, { subject, ...reporting });
        const { survey } = verified;
        if (survey !== undefined) {
          reporting.findings.push(...this.#together(survey, below, { subject, platform }));
        }
        below.push(survey);
      }
    }
  }

  /** Content that is only carried. */
  async blob(
    descriptor: Descriptor,
    { subject, ...reporting }: Reporting & { subject: Subject },
  ): Promise<void> {
    await this.#once(`${descriptor.digest} ${descriptor.size}`, descriptor, {
      subject,
      ...reporting,
      verify: async () => ({ findings: await verifyBlob(this.#source, descriptor, subject) }),
    });
  }

  async #layer(
    layer: Descriptor,
    expected: DiffId | undefined,
    { subject, ...reporting }: Reporting & { subject: Subject },
  ): Promise<VerifiedLayer> {
    const algorithm = expected === undefined ? 'sha256' : algorithmOf(expected);
    const verified = await this.#once(
      `${algorithm} ${layer.mediaType} ${layer.digest} ${layer.size}`,
      layer,
      {
        subject,
        ...reporting,
        verify: () => verifyLayer(this.#source, layer, { subject, algorithm, audit: this.#audit }),
      },
    );
    const { diffId } = verified;
    if (expected !== undefined && diffId !== undefined && diffId !== expected) {
      const message = `the tar inside is ${diffId}, the config says ${expected}`;
      reporting.findings.push({ code: 'layer-diff-id', severity: 'error', ...subject, message });
    }
    return verified;
  }

  /** What depends on the layers below and on the image's platform. */
  #together(
    survey: LayerSurvey,
    below: readonly (LayerSurvey | undefined)[],
    { subject, platform }: { readonly subject: Subject; readonly platform: Platform | undefined },
  ): Finding[] {
    const links = hardLinkFindings(survey, below);
    const idle = this.#audit === undefined ? [] : idleWhiteoutFindings(survey, below);
    return [
      ...[...links, ...idle].map((finding) => entryFinding(finding, subject)),
      ...(platform === undefined ? [] : this.#foreign(survey, platform, subject)),
    ];
  }

  /** Programs that the image's platform cannot run. */
  #foreign({ binaries }: LayerSurvey, platform: Platform, subject: Subject): Finding[] {
    const name = formatPlatform(platform);
    return binaries
      .filter(({ machine }) => this.#audit?.runs(platform, machine) === false)
      .map(({ path, machine, kind }) => ({
        code: 'elf-architecture',
        severity: kind === 'program' ? 'error' : 'warning',
        ...subject,
        path: formatBytePath(path),
        found: machine,
        expected: name,
        message: `${formatBytePath(path)} is for ${machine}, the image for ${name}`,
      }));
  }

  async #once(
    key: string,
    descriptor: Descriptor,
    {
      subject,
      findings,
      reported,
      verify,
    }: Reporting & { subject: Subject; verify: () => Promise<VerifiedLayer> },
  ): Promise<VerifiedLayer> {
    const verified = this.#known.get(key) ?? (await unlessMissing(descriptor, subject, verify));
    this.#known.set(key, verified);
    // Two platforms that share a layer share what is wrong with it.
    if (!reported.has(key)) findings.push(...verified.findings.map((finding) => moved(finding, subject)));
    reported.add(key);
    return verified;
  }
}

/** The same about the blob in another place. */
function moved({ platform: _platform, ...finding }: Finding, subject: Subject): Finding {
  return { ...finding, ...subject };
}

/** Layers that are not distributed may be missing: their bytes are at the URLs of the descriptor. */
async function unlessMissing(
  { mediaType }: Descriptor,
  subject: Subject,
  read: () => Promise<VerifiedLayer>,
): Promise<VerifiedLayer> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'BLOB_MISSING') throw error;
    if (isForeignLayerType(mediaType)) return { findings: [] };
    return {
      findings: [{ code: 'content-missing', severity: 'error', ...subject, message: error.message }],
    };
  }
}
