/** A directory that appears in its place when it is complete. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, type Stats } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { applyAttributes, attributesOf } from '../../layer/attributes.ts';
import { ROOT } from '../../layer/byte-path.ts';
import { statPath, type TreeNode } from '../../layer/tree-node.ts';
import { openTemporary, type Temporary } from '../../sys/temporary.ts';

export interface Staging extends AsyncDisposable {
  /** Empty, on the file system of the target. */
  readonly directory: string;
  /**
   * Moves everything into its place. In a target that was there before, files are replaced one by one, each by its whole
   * successor, and others stay. Throws IO before anything moves where a directory would have to become something else
   * or the other way round.
   */
  commit(): void;
}

/** The caller disposes it; whatever ends this process, an uncommitted directory is removed. */
export function openStaging(target: string): Staging {
  const exists = existsSync(target);
  const temporary = makeBeside(target, exists);
  const { directory } = temporary;
  return {
    directory,
    commit: () => {
      if (!exists && rename(directory, target)) return;
      const conflict = findConflict(Buffer.from(directory), Buffer.from(target));
      if (conflict !== undefined)
        throw new ArchBuildError(
          'IO',
          `${conflict} is in the way: a directory and something else have one name`,
          {
            hint: 'remove it, or name another directory',
          },
        );
      merge(Buffer.from(directory), Buffer.from(target));
    },
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

function makeBeside(target: string, exists: boolean): Temporary {
  try {
    if (exists) return openTemporary('.arch-build', target);
    mkdirSync(dirname(target), { recursive: true });
    const temporary = openTemporary(`.${basename(target)}`, dirname(target));
    chmodSync(temporary.directory, 0o755);
    return temporary;
  } catch (cause) {
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new ArchBuildError('IO', `cannot write ${target}: ${reason}`, { cause });
  }
}

/** False when the place was taken meanwhile. */
function rename(directory: string, target: string): boolean {
  try {
    renameSync(directory, target);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOTEMPTY'].includes(systemErrorCode(error) ?? '')) return false;
    throw error;
  }
}

const lookAt = (path: Buffer): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** Names as bytes: not all are text. */
const childrenOf = (directory: Buffer): { name: Buffer; isDirectory: boolean }[] =>
  readdirSync(directory, { encoding: 'buffer', withFileTypes: true }).map((entry) => ({
    name: entry.name,
    isDirectory: entry.isDirectory(),
  }));

/** A name of both that is a directory in one of them only. */
function findConflict(from: Buffer, to: Buffer): string | undefined {
  for (const { name, isDirectory } of childrenOf(from)) {
    const [source, target] = [within(from, name), within(to, name)];
    const existing = lookAt(target);
    if (existing === undefined) continue;
    if (existing.isDirectory() !== isDirectory) return target.toString('utf8');
    const below = isDirectory ? findConflict(source, target) : undefined;
    if (below !== undefined) return below;
  }
  return undefined;
}

function merge(from: Buffer, to: Buffer): void {
  for (const { name, isDirectory } of childrenOf(from)) {
    const [source, target] = [within(from, name), within(to, name)];
    if (!isDirectory || lookAt(target) === undefined) {
      renameSync(source, target);
      continue;
    }
    const attributes = attributesOf(directoryAt(source));
    merge(source, target);
    applyAttributes(target, 'directory', attributes);
  }
}

function directoryAt(host: Buffer): TreeNode {
  const stat = statPath(host);
  if (stat === undefined) throw new ArchBuildError('IO', `${host.toString('utf8')} disappeared`);
  return { path: ROOT, host, stat, type: 'directory' };
}

const within = (directory: Buffer, name: Buffer): Buffer =>
  Buffer.concat([directory, Buffer.from('/'), name]);
