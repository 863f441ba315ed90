/** What a mount of RUN shows: files of the context as COPY would copy them, or the layers of a stage or an image. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytePath, toBytePath } from '../layer/byte-path.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { BuildContext } from './context.ts';
import { digestSources } from './content-digest.ts';
import { copyFiles } from './copy-files.ts';
import { explainExcluded, literally, selectSources, type SelectedSource } from './copy-sources.ts';
import type { RunContext } from './step-context.ts';
import type { StageState } from './stage-state.ts';

export interface MountSource {
  /** Names the content, for the step's cache key. */
  readonly fingerprint: string;
  readonly kind: 'file' | 'directory';
  /** Puts a copy at `directory/source`: root's from the context, with its owners from elsewhere. */
  copyInto(directory: string): Promise<void>;
  /** Without a copy: the layers it is in and the path inside. Undefined for the context. */
  readonly layers: { readonly trees: readonly string[]; readonly path: string } | undefined;
}

/** Throws COPY when there is nothing at `source`. */
export async function mountSource(
  context: RunContext,
  { from, source }: { readonly from: string | undefined; readonly source: string },
): Promise<MountSource> {
  const origin = await context.origin(from);
  if (origin.kind === 'context') return contextSource(context, origin.context, source);
  await context.ensureRootfs(origin.state);
  return stageSource(context, origin.state, source);
}

async function contextSource(
  context: RunContext,
  buildContext: BuildContext,
  source: string,
): Promise<MountSource> {
  const sources = await selectSources(buildContext.tree, [literally(source)], {
    signal: context.job.signal,
    explainMissing: explainExcluded(buildContext),
  });
  const fingerprint = await digestSources(sources, { keepsOwner: false, signal: context.job.signal });
  return { fingerprint, ...copied(sources, false), layers: undefined };
}

async function stageSource(context: RunContext, stage: StageState, source: string): Promise<MountSource> {
  const trees = context.job.store.snapshots.trees(stage.chain);
  const tree = new MergedTree(trees);
  const sources = await selectSources(tree, [literally(source)], { signal: context.job.signal });
  const isWhole = sources[0]?.node.path === '';
  const fingerprint = isWhole
    ? (stage.chain.at(-1) ?? '')
    : await digestSources(sources, { keepsOwner: true, signal: context.job.signal });
  const { path } = tree.resolve(toBytePath(source));
  return { fingerprint, ...copied(sources, true), layers: { trees, path: formatBytePath(path).slice(1) } };
}

function copied(
  sources: readonly SelectedSource[],
  keepsOwner: boolean,
): Pick<MountSource, 'kind' | 'copyInto'> {
  return {
    kind: sources[0]?.node.type === 'directory' ? 'directory' : 'file',
    copyInto: async (directory) => {
      const writer = new LayerWriter(directory, new MergedTree([]));
      const place = { destination: '/source', workdir: '/', wordCount: 1, placement: 'docker' } as const;
      await copyFiles(writer, { sources, keepsOwner, ...place });
    },
  };
}

/** The directories of an overlay over these trees, as a step has them; with no trees it has one that is empty. */
export function prepareLayers(directory: string, trees: readonly string[]): void {
  for (const name of ['', 'upper', 'work', 'merged', 'l', 'empty']) mkdirSync(join(directory, name));
  const lowers = trees.length === 0 ? [join(directory, 'empty')] : trees;
  lowers.forEach((tree, index) => symlinkSync(tree, join(directory, 'l', String(index))));
}
