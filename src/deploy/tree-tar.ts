/** Files of the store as a tar for another host: a merged tree, or single files under new names. */
import { ArchBuildError } from '../errors.ts';
import { ROOT, type BytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import { walkTree } from '../layer/rootfs-tar.ts';
import { headerOf, tarBlocks, type FirstNames, type TarItem } from '../layer/write-layer.ts';

/** The archive in blocks. Throws IO for a file that changes meanwhile. */
export const tarOf = (files: Iterable<TarItem>): AsyncIterable<Buffer> =>
  tarBlocks(
    files,
    ({ host }) => new ArchBuildError('IO', `${host.toString('utf8')} changed while it was sent`),
  );

/** Parents before children, without what `skip` says; of several names of one file the later ones are links. */
export function* filesOf(tree: MergedTree, skip: (path: BytePath) => boolean): Generator<TarItem> {
  const firstNames: FirstNames = new Map();
  for (const entry of walkTree(tree.root, ROOT, skip)) {
    const { host, path } = entry;
    yield { header: headerOf(entry, firstNames), source: { host, path } };
  }
}
