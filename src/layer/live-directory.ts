/**
 * Reading a directory that others may change meanwhile, such as a build context: everything is asked through one open
 * descriptor whose real path is checked, so no directory above can be swapped for a symlink under our eyes.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import { DirectoryStatus } from '../sys/directory-status.ts';
import { hostError, type NodeStat } from './tree-node.ts';

/** Names with what `lstat` says of them. `host` is a real path. Throws CONTEXT when it no longer is one, IO. */
export function readLiveDirectory(host: Buffer): Map<string, NodeStat> {
  const fd = openDirectory(host);
  try {
    if (!isOpenAt(fd, host)) throw changed(host);
    const names = readdirSync(throughDescriptor(fd), { encoding: 'latin1' });
    const status = new DirectoryStatus(fd);
    const found = new Map<string, NodeStat>();
    for (const name of names) {
      const stat = status.read(name);
      if (stat !== undefined) found.set(name, stat);
    }
    return found;
  } catch (cause) {
    throw cause instanceof ArchBuildError ? cause : hostError('read', host, cause);
  } finally {
    closeSync(fd);
  }
}

/** What the descriptor stands for, as a path: follows nothing but the descriptor itself. */
export const throughDescriptor = (fd: number): string => `/proc/self/fd/${fd}`;

/** Is this where the kernel says the open file is? `host` is a real path. */
export const isOpenAt = (fd: number, host: Buffer): boolean =>
  readlinkSync(throughDescriptor(fd), { encoding: 'buffer' }).equals(host);

/** Something the user gave us is not what it was a moment ago. */
export function changed(host: Buffer): ArchBuildError {
  return new ArchBuildError('CONTEXT', `${host.toString('utf8')} changed while it was read`, {
    hint: 'stop what writes to it, or exclude it in .dockerignore, and build again',
  });
}

function openDirectory(host: Buffer): number {
  try {
    return openSync(host, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw hostError('read', host, cause);
  }
}
