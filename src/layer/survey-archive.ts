/**
 * An image archive looked through from its first byte to its last, as a layer's tar is: whoever opens it for its
 * images skips what is between them and behind.
 */
import { createReadStream } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import type { Finding } from '../oci/verify.ts';
import { cleanBytePath, formatBytePath } from './byte-path.ts';
import { decompress } from './decompress.ts';
import { readTar } from './tar-reader.ts';

export interface ArchiveSurvey {
  /** Files and links by path, directories left out. */
  readonly files: readonly string[];
  /** Small files at the top: index.json and the like. */
  readonly documents: ReadonlyMap<string, Buffer>;
  /** What is wrong with the tar itself; the rest is then what was found until there. */
  readonly findings: readonly Finding[];
}

/** Throws what reading the file throws. */
export async function surveyArchive(path: string): Promise<ArchiveSurvey> {
  const files = new Set<string>();
  const documents = new Map<string, Buffer>();
  const findings: Finding[] = [];
  const report = (code: string, message: string, file?: string): void => {
    findings.push({
      code,
      severity: 'error',
      where: path,
      ...(file === undefined ? {} : { path: file }),
      message,
    });
  };
  try {
    const { data } = await decompress(createReadStream(path, { highWaterMark: 1 << 20 }));
    for await (const entry of readTar(data)) {
      if (entry.type === 'directory') continue;
      const name = formatBytePath(cleanBytePath(entry.path)).slice(1);
      if (files.has(name)) report('archive-duplicate', `${name} is in the archive twice`, name);
      if (entry.path.split('/').includes('..')) report('archive-path', `${name} leads out of it`, name);
      files.add(name);
      if (!name.includes('/') && entry.content !== undefined) {
        documents.set(name, Buffer.from(entry.content));
      }
    }
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'LAYER_INVALID') throw error;
    report('archive-tar', error.message);
  }
  return { files: [...files], documents, findings };
}
