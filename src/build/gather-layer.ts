/** The layer of gathered images: a registry's storage, written over what the image has of it already. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatImageLock, type ImageLock } from '../cluster/gather/lock-file.ts';
import type { RegistryFile } from '../cluster/gather/registry-files.ts';
import { hasBlob, readRecord, recordPath } from '../cluster/gather/registry-tree.ts';
import { toBytePath, parentOf, type BytePath } from '../layer/byte-path.ts';
import { storeContent } from '../layer/image-content.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { Platform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { verified } from '../transfer/verified-stream.ts';
import { commitLayer } from './commit-layer.ts';
import type { BuildOptions, Job } from './options.ts';
import type { StageState } from './stage-state.ts';

export interface GatheredFiles {
  readonly platform: Platform;
  readonly files: readonly RegistryFile[];
  /** What the files are of, for the record beside them. */
  readonly images: ImageLock;
}

/** The same whenever and wherever it is written: content decides, not the clock. */
const ATTRIBUTES = { uid: 0, gid: 0, mtimeNs: 0n } as const;
const FILE = { ...ATTRIBUTES, mode: 0o644 } as const;
const DIRECTORY = { ...ATTRIBUTES, mode: 0o755 } as const;
const LINK_LIMIT = 256;

export async function writeGatherLayer(
  { job, options }: { readonly job: Job; readonly options: BuildOptions },
  state: StageState,
  { platform, files, images }: GatheredFiles,
): Promise<Snapshot | undefined> {
  const lower = new MergedTree(job.store.snapshots.trees(state.chain));
  const directory = join(job.store.makeDirectory('gather'), 'fs');
  mkdirSync(directory, { mode: 0o755 });
  const writer = new LayerWriter(directory, lower);
  const content = storeContent(job.store);
  const record = new Map([...readRecord(lower, platform), ...images]);
  await writer.batch(async () => {
    for (const file of files) {
      job.signal.throwIfAborted();
      const path = toBytePath(file.path);
      if (isThere(lower, path, file)) continue;
      makeParents(writer, path);
      if (file.kind === 'link') writer.writeFile(path, Buffer.from(file.text), FILE);
      else await writer.writeStream(path, verifiedBuffers(content, file.descriptor), FILE);
    }
    const path = toBytePath(recordPath(platform));
    makeParents(writer, path);
    writer.writeFile(path, Buffer.from(formatImageLock(record)), FILE);
  });
  return commitLayer(job, directory, { platform, chain: state.chain, epochSeconds: options.sourceDateEpoch });
}

/** Blobs are known by their name, links by what they say. */
function isThere(lower: MergedTree, path: BytePath, file: RegistryFile): boolean {
  if (file.kind === 'blob') return hasBlob(lower, file.descriptor);
  return (
    lower.lookup(path)?.type === 'file' && lower.readFile(path, LINK_LIMIT).equals(Buffer.from(file.text))
  );
}

function makeParents(writer: LayerWriter, path: BytePath): void {
  const parent = parentOf(path);
  if (parent === '' || writer.tree.lookup(parent)?.type === 'directory') return;
  makeParents(writer, parent);
  writer.makeDirectory(parent, DIRECTORY);
}

async function* verifiedBuffers(
  content: ReturnType<typeof storeContent>,
  descriptor: Parameters<typeof content.read>[0],
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of verified(descriptor, content.read(descriptor)))
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
