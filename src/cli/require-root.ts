/** Commands that unpack or run a root file system need its owners and devices, which only root may make. */
import { ArchBuildError } from '../errors.ts';

/** Throws HOST_INCAPABLE for anybody else. */
export function requireRoot(what: string): void {
  if (process.geteuid?.() === 0) return;
  throw new ArchBuildError('HOST_INCAPABLE', `${what} needs root`, {
    hint: 'run it with sudo; with --root the store can stay in a directory of yours',
  });
}
