/**
 * The entries of one layer's tar against the rules of layer tars, and what of them only the layers below can answer.
 * Memory grows with the number of entries only. Source: OCI image-spec layer.md.
 */
import type { Severity } from '../oci/verify-rules.ts';
import { binaryOf, type FoundBinary, type ProgramAudit } from './audit-programs.ts';
import {
  baseNameOf,
  cleanBytePath,
  formatBytePath,
  joinBytePath,
  parentOf,
  ROOT,
  type BytePath,
} from './byte-path.ts';
import type { EntryType } from './tar-format.ts';
import { readTar, type TarEntry } from './tar-reader.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts';

export interface EntryFinding {
  readonly code: string;
  readonly severity: Severity;
  readonly path: BytePath;
  readonly message: string;
}

export interface LayerSurvey {
  readonly findings: readonly EntryFinding[];
  /** Everything in the layer by path, whiteouts under their own names. */
  readonly entries: ReadonlyMap<BytePath, EntryType>;
  /** Hard links whose target is not in the layer: path to target. */
  readonly outsideLinks: ReadonlyMap<BytePath, BytePath>;
  /** Only when they were asked for. */
  readonly binaries: readonly FoundBinary[];
}

/** Reads the tar to its end. Throws LAYER_INVALID. */
export async function surveyLayer(
  tar: AsyncIterable<Uint8Array>,
  audit?: Pick<ProgramAudit, 'inspect'>,
): Promise<LayerSurvey> {
  const survey = new Survey();
  for await (const entry of readTar(tar)) {
    const path = survey.add(entry);
    const binary = audit && (await binaryOf(entry, audit.inspect));
    if (binary !== undefined) survey.binaries.push({ path, ...binary });
  }
  survey.finish();
  return survey;
}

/** Enough to see what is wrong with a layer. */
const MAX_FINDINGS = 20;

class Survey implements LayerSurvey {
  readonly findings: EntryFinding[] = [];
  readonly entries = new Map<BytePath, EntryType>();
  readonly outsideLinks = new Map<BytePath, BytePath>();
  readonly binaries: FoundBinary[] = [];

  /** Returns the clean path. */
  add(entry: TarEntry): BytePath {
    const path = cleanBytePath(entry.path);
    for (const { code, severity = 'error', check } of ENTRY_RULES) {
      const message = this.findings.length < MAX_FINDINGS ? check(entry, path, this.entries) : undefined;
      if (message !== undefined) this.findings.push({ code, severity, path, message });
    }
    const target = cleanBytePath(entry.linkPath);
    if (entry.type === 'hardlink' && target !== path && !this.entries.has(target))
      this.outsideLinks.set(path, target);
    this.entries.set(path, entry.type);
    return path;
  }

  /** What can be said only when the last entry is known. */
  finish(): void {
    for (const [path, target] of this.outsideLinks) {
      if (!this.entries.has(target)) continue;
      this.outsideLinks.delete(path);
      const message = `${formatBytePath(path)} is a hard link to ${formatBytePath(target)}, which comes later`;
      this.#note({ code: 'layer-hard-link', severity: 'error', path, message });
    }
    for (const path of this.entries.keys()) {
      const hidden = hiddenBy(path);
      if (hidden === undefined || !this.entries.has(hidden)) continue;
      const message = `${formatBytePath(hidden)} is both deleted and there: some programs delete it`;
      this.#note({ code: 'layer-whiteout-sibling', severity: 'warning', path, message });
    }
  }

  #note(finding: EntryFinding): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding);
  }
}

/** What a whiteout deletes; undefined for anything else, opaque marks and what AUFS kept for itself included. */
export function hiddenBy(path: BytePath): BytePath | undefined {
  const name = baseNameOf(path);
  if (!name.startsWith(WHITEOUT_PREFIX) || NO_WHITEOUTS.has(name)) return undefined;
  if (name.startsWith(WHITEOUT_PREFIX + WHITEOUT_PREFIX)) return undefined;
  return joinBytePath(parentOf(path), name.slice(WHITEOUT_PREFIX.length));
}

type Seen = ReadonlyMap<BytePath, EntryType>;

interface EntryRule {
  readonly code: string;
  readonly severity?: Severity;
  readonly check: (entry: TarEntry, path: BytePath, seen: Seen) => string | undefined;
}

const hasParent = (path: string): boolean => path.split('/').includes('..');
const quote = (path: string): string => JSON.stringify(path.slice(0, 200));

const ENTRY_RULES: readonly EntryRule[] = [
  {
    code: 'layer-duplicate',
    check: ({ type }, path, seen) => {
      const before = seen.get(path);
      return before === undefined || (before === 'directory' && type === 'directory')
        ? undefined
        : `${formatBytePath(path)} is in the layer twice`;
    },
  },
  {
    code: 'layer-path',
    check: ({ path }) => (hasParent(path) ? `the path ${quote(path)} leads out of its directory` : undefined),
  },
  {
    code: 'layer-hard-link',
    check: ({ type, linkPath }, path, seen) =>
      type === 'hardlink' ? linkBreach(linkPath, path, seen) : undefined,
  },
  {
    code: 'layer-symlink',
    check: ({ type, linkPath }, path) =>
      type === 'symlink' && linkPath === '' ? `the symlink ${formatBytePath(path)} has no target` : undefined,
  },
  {
    code: 'layer-root',
    check: ({ type }, path) =>
      path === ROOT && type !== 'directory' ? `the root directory is a ${type}` : undefined,
  },
  {
    code: 'layer-parent',
    check: (_entry, path, seen) => {
      const parent = nearestParent(path, seen);
      const type = parent === undefined ? undefined : seen.get(parent);
      return parent === undefined || type === undefined || ['directory', 'symlink'].includes(type)
        ? undefined
        : `${formatBytePath(path)} is below ${formatBytePath(parent)}, which is a ${type}`;
    },
  },
  {
    code: 'layer-through-symlink',
    severity: 'warning',
    check: (_entry, path, seen) => {
      const parent = nearestParent(path, seen);
      return parent !== undefined && seen.get(parent) === 'symlink'
        ? `${formatBytePath(path)} is below ${formatBytePath(parent)}, which is a symlink`
        : undefined;
    },
  },
  {
    code: 'layer-whiteout',
    check: ({ type, size }, path) => {
      if (NO_WHITEOUTS.has(baseNameOf(path))) return `${formatBytePath(path)} is a whiteout of nothing`;
      const isMark = hiddenBy(path) !== undefined || baseNameOf(path) === OPAQUE_NAME;
      return isMark && (type !== 'file' || size > 0)
        ? `${formatBytePath(path)} is a whiteout but no empty file`
        : undefined;
    },
  },
  {
    code: 'layer-device',
    check: ({ type, device: { major, minor } }, path) =>
      type === 'char' && major === 0 && minor === 0
        ? `${formatBytePath(path)} is the character device 0:0, which overlay file systems take for a deletion`
        : undefined,
  },
];

const NO_WHITEOUTS = new Set(['', '.', '..'].map((name) => WHITEOUT_PREFIX + name));

/** The target is an entry's name as it stands in the archive: relative, and of something that can be linked. */
function linkBreach(linkPath: string, path: BytePath, seen: Seen): string | undefined {
  const link = `the hard link ${formatBytePath(path)}`;
  if (linkPath === '') return `${link} has no target`;
  if (linkPath.startsWith('/')) return `${link} has the absolute target ${quote(linkPath)}`;
  if (hasParent(linkPath)) return `${link} to ${quote(linkPath)} leads out of its directory`;
  const target = cleanBytePath(linkPath);
  if (target === path) return `${link} is a link to itself`;
  if (seen.get(target) === 'directory') return `${link} is a link to a directory`;
  if (baseNameOf(target).startsWith(WHITEOUT_PREFIX)) return `${link} is a link to a whiteout`;
  return undefined;
}

/** The lowest directory above a path that the layer has said something about. */
function nearestParent(path: BytePath, seen: Seen): BytePath | undefined {
  for (let parent = parentOf(path); parent !== ROOT; parent = parentOf(parent)) {
    if (seen.has(parent)) return parent;
  }
  return undefined;
}
