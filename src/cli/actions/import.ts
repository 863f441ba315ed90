/** `import`: the tar of a root file system as a base image of one layer. */
import { createReadStream, fstatSync, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { writeManifest } from '../../build/assemble.ts';
import { scratchImage } from '../../build/base-image.ts';
import { beginStage, withStep } from '../../build/stage-state.ts';
import { applyLayer } from '../../layer/apply-layer.ts';
import { decompress } from '../../layer/decompress.ts';
import { hashLayer } from '../../layer/write-layer.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import { factsOr } from '../../store/document-facts.ts';
import { summarizeImage } from '../../store/image-summary.ts';
import type { StoredImage } from '../../store/images.ts';
import type { Snapshot } from '../../store/snapshots.ts';
import type { Store } from '../../store/store.ts';
import { overlayNamespace } from '../../sys/identity.ts';
import { platformNamed } from '../architectures.ts';
import type { ImportFlags } from '../transfer-flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';

export async function importRootfs(
  globals: Globals,
  { file, name }: { readonly file: string; readonly name: string },
  flags: ImportFlags,
): Promise<void> {
  requireRoot(globals);
  const platform = platformNamed(flags.platform);
  const reference = fullName(name);
  await using store = await storeFor(globals);
  const snapshot = await unpack(store, resolve(file));
  const created = new Date().toISOString();
  const state = withStep(beginStage(platform, scratchImage(platform)), {
    created,
    createdBy: flags.message ?? 'imported root file system',
    snapshot,
  });
  const options = {
    annotations: {},
    labels: {},
    unset: { environment: [], labels: [] },
    sourceDateEpoch: undefined,
  };
  const root = writeManifest(store, state, { platform, options });
  const taken = await store.images.put(root, [reference]);
  for (const before of taken) tellTaken(globals, store, { before, platform });
  process.stdout.write(`${root.digest}\n`);
}

/** A name means one image, as it does to `build` and `load`; who wanted it to mean both platforms is told how. */
function tellTaken(
  globals: Globals,
  store: Store,
  { before, platform }: { readonly before: StoredImage; readonly platform: Platform },
): void {
  const { name = '', root } = before;
  const summary = factsOr(() => summarizeImage(store.facts, before, store.blobs), undefined);
  const names = summary?.platforms.map((each) => each.platform) ?? [];
  const still = store.images.list().find((image) => image.root.digest === root.digest)?.name;
  const fate = still === undefined ? 'that image has no name now' : `that image is still ${still}`;
  const all = names.length > 1 ? '--all ' : '';
  const both = `one name for all of them: \`arch-build manifest create ${all}NAME ${root.digest} ${name}\``;
  reporterFor(globals)({
    type: 'warning',
    text: [
      `${name} was ${root.digest}${names.length === 0 ? '' : ` for ${names.join(', ')}`}: ${fate}`,
      ...(names.length === 0 || names.includes(formatPlatform(platform)) ? [] : [both]),
    ].join('; '),
  });
}

/** The layer is written by our own rules, so its bytes need not be kept beside the snapshot. */
async function unpack(store: Store, path: string): Promise<Snapshot> {
  const staged = store.makeDirectory('import');
  const target = join(staged, 'fs');
  mkdirSync(target, { mode: 0o755 });
  const { data } = await decompress(openArchive(path));
  await applyLayer(data, target, { lowers: [], overlay: overlayNamespace() });
  const { diffId, size } = await hashLayer(target, { includeRoot: false });
  return store.snapshots.commit(staged, { diffId, size, includeRoot: false }, { regenerable: true });
}

/** Opened and tried here, so that what is no readable file is said in words of ours. */
function openArchive(path: string): AsyncIterable<Uint8Array> {
  try {
    const fd = openSync(path, 'r');
    if (fstatSync(fd).isDirectory()) throw new ArchBuildError('IO', `${path} is a directory, not an archive`);
    return createReadStream(path, { fd, highWaterMark: 1 << 20 });
  } catch (cause) {
    if (cause instanceof ArchBuildError) throw cause;
    throw new ArchBuildError('IO', `cannot read ${path}: ${systemErrorCode(cause) ?? String(cause)}`, {
      cause,
    });
  }
}
