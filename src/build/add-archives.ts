/** What ADD does more than COPY: local archives are unpacked into the destination, found out by content. */
import { cleanBytePath } from '../layer/byte-path.ts';
import type { LayerWriter } from '../layer/layer-writer.ts';
import { extractArchive } from './add-archive.ts';
import type { CopyRequest } from './copy-files.ts';
import type { SelectedSource } from './copy-sources.ts';

/**
 * Unpacks those of `candidates` that are archives; returns the request without them. What is no candidate is copied
 * whatever it contains.
 */
export async function addArchives(
  writer: LayerWriter,
  request: CopyRequest,
  candidates: readonly SelectedSource[],
): Promise<CopyRequest> {
  const { destination, workdir, owner, signal } = request;
  const text = destination.startsWith('/') ? destination : `${workdir}/${destination}`;
  const options = {
    destination: cleanBytePath(Buffer.from(text, 'utf8').toString('latin1')),
    ...(owner === undefined ? {} : { owner }),
    ...(signal === undefined ? {} : { signal }),
  };
  const unpacked = new Set<SelectedSource>();
  for (const source of candidates) {
    if (source.node.type !== 'file') continue;
    if (await extractArchive(writer, source.node, options)) unpacked.add(source);
  }
  return { ...request, sources: request.sources.filter((source) => !unpacked.has(source)) };
}
