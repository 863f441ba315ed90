/** What ADD does more than COPY: local archives are unpacked into the destination, found out by content. */
import { cleanBytePath } from '../layer/byte-path.ts';
import type { LayerWriter } from '../layer/layer-writer.ts';
import { extractArchive } from './add-archive.ts';
import type { CopyRequest } from './copy-files.ts';

/** Unpacks the sources that are archives; returns the request for the others, which are copied as they are. */
export async function addArchives(writer: LayerWriter, request: CopyRequest): Promise<CopyRequest> {
  const { destination, workdir, owner } = request;
  const text = destination.startsWith('/') ? destination : `${workdir}/${destination}`;
  const target = cleanBytePath(Buffer.from(text, 'utf8').toString('latin1'));
  const rest = [];
  for (const source of request.sources) {
    const unpacked =
      source.node.type === 'file' &&
      (await extractArchive(writer, source.node, {
        destination: target,
        ...(owner === undefined ? {} : { owner }),
      }));
    if (!unpacked) rest.push(source);
  }
  return { ...request, sources: rest };
}
