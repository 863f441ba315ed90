/**
 * What the source words of one COPY or ADD select from a tree: a context or another stage's rootfs. The selection is
 * made once, then digested and copied, so that the cache key speaks of the very files that are copied.
 */
import { ArchBuildError } from '../errors.ts';
import { goFilepathMatch, hasWildcard } from '../kubefile/file-match.ts';
import { compileIgnore, type IgnoreMatcher } from '../kubefile/ignore.ts';
import { compilePathPattern } from '../kubefile/path-pattern.ts';
import {
  baseNameOf,
  formatBytePath,
  joinBytePath,
  ROOT,
  textOfBytes,
  toBytePath,
  type BytePath,
} from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import type { TreeDirectory } from '../layer/tree-directory.ts';
import type { TreeNode } from '../layer/tree-node.ts';
import { abortableTurns } from './abortable-turns.ts';
import { filesBelow, type SelectedFile, type WalkOptions } from './source-walk.ts';

/** One file or directory named by a word or found by its wildcards. */
export interface SelectedSource {
  /** The name it has in a directory it is copied into; '' for the root of the tree. */
  readonly name: string;
  readonly node: TreeNode;
  /** The source itself first, parents before children, names bytewise: for a file it is the only one. */
  readonly files: readonly SelectedFile[];
}

export interface SelectOptions {
  /** Why a path that is missing is not there, for the hint of the error. */
  readonly explainMissing?: (path: BytePath) => string | undefined;
  /**
   * `--parents`: directories on the way are kept, from the first `/./` of a word on, or all of them when it has
   * none. `**` crosses slashes.
   */
  readonly parents?: boolean;
  /** `--exclude`: ignore patterns, relative to each source; a source that is a file goes by its name. */
  readonly exclude?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * `words` are expanded already. A wildcard that matches nothing selects nothing; a name that is missing throws COPY.
 * A symlink named or matched is followed inside the tree; those found below a directory are selected as symlinks.
 */
export async function selectSources(
  tree: MergedTree,
  words: readonly string[],
  options: SelectOptions = {},
): Promise<SelectedSource[]> {
  const { exclude = [], parents = false, signal } = options;
  const walk = {
    exclude: exclude.length === 0 ? undefined : compileIgnore(exclude),
    turn: abortableTurns(signal),
  };
  const selection: Selection = { tree, options, walk };
  const selected: SelectedSource[] = [];
  for (const word of words)
    selected.push(...(await (parents ? selectBelow(selection, word) : selectWord(selection, word))));
  return selected;
}

/** The word for exactly this path: no wildcards in it. */
export const literally = (path: string): string => path.replace(/[\\*?[\]]/g, String.raw`\$&`);

/** The hint for a context: a file may be there and excluded. */
export function explainExcluded(context: {
  readonly unfiltered: MergedTree;
  readonly ignoreFile: string | undefined;
  readonly secret: readonly string[];
}): (path: BytePath) => string | undefined {
  return (path) => {
    if (context.unfiltered.resolve(path).node === undefined) return undefined;
    if (context.secret.includes(path)) return 'the file has passwords, which never become part of an image';
    if (context.ignoreFile === undefined) return undefined;
    return `the file exists, but ${context.ignoreFile} excludes it`;
  };
}

interface Selection {
  readonly tree: MergedTree;
  readonly options: SelectOptions;
  readonly walk: WalkOptions & { readonly exclude: IgnoreMatcher | undefined };
}

async function selectWord({ tree, options, walk }: Selection, word: string): Promise<SelectedSource[]> {
  const selected: SelectedSource[] = [];
  for (const path of pathsOf(tree, word, options)) {
    const { path: resolved, node } = tree.resolve(path);
    if (node === undefined) throw missing(path, options, resolved);
    const name = baseNameOf(path);
    const directory = tree.openDirectory(resolved);
    if (directory !== undefined) selected.push({ name, node, files: await filesBelow(directory, walk) });
    else if (walk.exclude?.excludes(textOfBytes(name)) !== true)
      selected.push({ name, node, files: [{ path: ROOT, node }] });
  }
  return selected;
}

/** `--parents`: each base directory is a source, of which only what matches is copied. */
async function selectBelow({ tree, options, walk }: Selection, word: string): Promise<SelectedSource[]> {
  const pivot = word.indexOf('/./', 1);
  const [base, rest] = pivot < 0 ? ['', word] : [word.slice(0, pivot), word.slice(pivot + 3)];
  const pattern = textOfBytes(toBytePath(rest));
  const include = pattern === '' ? undefined : compilePathPattern(pattern);
  if (pattern !== '' && include === undefined)
    throw new ArchBuildError('COPY', `malformed pattern ${JSON.stringify(pattern)}`);
  const selected: SelectedSource[] = [];
  for (const path of base === '' ? [ROOT] : pathsOf(tree, base, options)) {
    const directory = tree.openDirectory(tree.resolve(path).path);
    const files = directory === undefined ? [] : await filesBelow(directory, { ...walk, include });
    if (directory === undefined || (files.length === 1 && include !== undefined)) {
      if (!isPattern(word)) throw missing(toBytePath(word), options);
    } else {
      selected.push({ name: baseNameOf(path), node: directory.node, files });
    }
  }
  return selected;
}

/** What a word names or matches; `..` is taken away before symlinks are looked at. */
function pathsOf(tree: MergedTree, word: string, options: SelectOptions): BytePath[] {
  const path = toBytePath(word);
  if (!hasWildcard(word)) return [path];
  const components = path.split('/');
  const first = components.findIndex(hasWildcard);
  const literal = tree.resolve(components.slice(0, first).join('/'));
  const directory = tree.openDirectory(literal.path);
  const found = directory === undefined ? [] : matches(directory, components.slice(first));
  if (found.length === 0 && !isPattern(word)) throw missing(path, options);
  return found;
}

/** An escape alone makes no wildcard: `a\*` names one file. */
const isPattern = (word: string): boolean => /(^|[^\\])(\\\\)*[*?[]/.test(word);

/** Below the literal part symlinks are matched but not followed to directories. */
function matches(directory: TreeDirectory, components: readonly string[]): BytePath[] {
  const [pattern = '', ...rest] = components.map(textOfBytes);
  const names = directory.names().filter((name) => goFilepathMatch(pattern, textOfBytes(name), 'COPY'));
  if (rest.length === 0) return names.map((name) => joinBytePath(directory.path, name));
  return names.flatMap((name) => {
    const child = directory.open(name);
    return child === undefined ? [] : matches(child, components.slice(1));
  });
}

function missing(path: BytePath, options: SelectOptions, resolved: BytePath = path): ArchBuildError {
  const shown = JSON.stringify(formatBytePath(path));
  const hint = options.explainMissing?.(path);
  const through = resolved === path ? '' : ` (it leads to ${JSON.stringify(formatBytePath(resolved))})`;
  return new ArchBuildError('COPY', `${shown}${through}: not found`, hint === undefined ? {} : { hint });
}
