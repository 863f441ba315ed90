/**
 * One layer blob against everything that must hold of it alone: size, digest, packing, and the rules of layer tars.
 * The blob is read once when it is good; memory grows with the number of its entries only.
 */
import { createHash, type Hash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { DiffId } from '../oci/digest.ts';
import { verifyLayerHead, type Finding, type Subject } from '../oci/verify.ts';
import type { ProgramAudit } from './audit-programs.ts';
import { formatBytePath } from './byte-path.ts';
import { decompress } from './decompress.ts';
import { ObservedBlob, verifyBlob } from './verify-blob.ts';
import { surveyLayer, type EntryFinding, type LayerSurvey } from './verify-entries.ts';

export interface VerifiedLayer {
  readonly findings: readonly Finding[];
  /** Of the tar inside; undefined when it could not be read to its end, and so is the survey. */
  readonly diffId?: DiffId;
  readonly survey?: LayerSurvey;
}

export interface LayerCheck {
  readonly subject: Subject;
  /** The diffID's. */
  readonly algorithm: string;
  /** Only with it the survey has binaries. */
  readonly audit?: ProgramAudit | undefined;
}

/** Throws what the source throws, BLOB_MISSING included, and TOOL_MISSING. */
export async function verifyLayer(
  source: ContentSource,
  descriptor: Descriptor,
  { subject, algorithm, audit }: LayerCheck,
): Promise<VerifiedLayer> {
  const stored = new ObservedBlob(descriptor);
  const headFindings = (): Finding[] => verifyLayerHead({ descriptor, head: stored.head }, subject);
  try {
    const tar = createHash(algorithm);
    const survey = await surveyLayer(hashed(stored.read(source), tar), audit);
    const content = stored.findings(subject);
    if (content.length > 0) return { findings: content };
    const entries = survey.findings.map((finding) => entryFinding(finding, subject));
    const diffId = `${algorithm}:${tar.digest('hex')}` as DiffId;
    return { findings: [...headFindings(), ...entries], diffId, survey };
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'LAYER_INVALID') throw error;
    // What is damaged has the wrong digest, and that says it all; only then is the rest worth a word.
    const content = await verifyBlob(source, descriptor, subject);
    if (content.length > 0) return { findings: content };
    const message = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
    return { findings: [...headFindings(), { code: 'layer-tar', severity: 'error', ...subject, message }] };
  }
}

/** In terms of the layer it is in. */
export function entryFinding({ code, severity, path, message }: EntryFinding, subject: Subject): Finding {
  return { code, severity, ...subject, path: formatBytePath(path), message };
}

async function* hashed(input: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  const { data } = await decompress(input);
  for await (const chunk of data) {
    hash.update(chunk);
    yield chunk;
  }
}
