/**
 * A layer against the layers below it: do the targets of its hard links exist, and the things it deletes? Paths are
 * compared by name; where a symlink is on the way nothing is said.
 */
import { baseNameOf, formatBytePath, joinBytePath, parentOf, ROOT, type BytePath } from './byte-path.ts';
import type { EntryType } from './tar-format.ts';
import { hiddenBy, type EntryFinding, type LayerSurvey } from './verify-entries.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts';

/** What is asked about the layers below; undefined for one that could not be read. */
type Below = readonly (Pick<LayerSurvey, 'entries'> | undefined)[];

/** `below`: base first. */
export function hardLinkFindings({ outsideLinks }: LayerSurvey, below: Below): EntryFinding[] {
  return [...outsideLinks].flatMap(([path, target]) => {
    const found = lookUp(target, below);
    if (found === 'unknown' || (found !== 'nothing' && found !== 'directory')) return [];
    const what = found === 'nothing' ? 'which is not there' : 'which is a directory';
    const message = `${formatBytePath(path)} is a hard link to ${formatBytePath(target)}, ${what}`;
    return [{ code: 'layer-hard-link', severity: 'error', path, message } as const];
  });
}

/** Legal, and a sign that the layer was made for another image. */
export function idleWhiteoutFindings({ entries }: LayerSurvey, below: Below): EntryFinding[] {
  return [...entries.keys()].flatMap((path) => {
    const hidden = hiddenBy(path);
    if (hidden === undefined || lookUp(hidden, below) !== 'nothing') return [];
    const message = `${formatBytePath(hidden)} is deleted but not there`;
    return [{ code: 'layer-whiteout-idle', severity: 'warning', path, message } as const];
  });
}

/** From the top down, the first layer that says something about a path decides. */
function lookUp(path: BytePath, below: Below): EntryType | 'nothing' | 'unknown' {
  for (const layer of [...below].reverse()) {
    if (layer === undefined) return 'unknown';
    const found = saidIn(layer.entries, path);
    if (found !== undefined) return found;
  }
  return 'nothing';
}

function saidIn(
  entries: ReadonlyMap<BytePath, EntryType>,
  path: BytePath,
): EntryType | 'nothing' | 'unknown' | undefined {
  const own = entries.get(path);
  if (own !== undefined) return own;
  if (entries.has(whiteoutOf(path))) return 'nothing';
  for (let parent = parentOf(path); ; parent = parentOf(parent)) {
    const type = entries.get(parent);
    if (type === 'symlink') return 'unknown';
    const isCovered =
      (type !== undefined && type !== 'directory') ||
      entries.has(joinBytePath(parent, OPAQUE_NAME)) ||
      (parent !== ROOT && entries.has(whiteoutOf(parent)));
    if (isCovered) return 'nothing';
    if (parent === ROOT) return undefined;
  }
}

const whiteoutOf = (path: BytePath): BytePath =>
  joinBytePath(parentOf(path), WHITEOUT_PREFIX + baseNameOf(path));
