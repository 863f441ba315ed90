/**
 * Mounts that outlive the command: made by this process itself, in the mount namespace it was started in. Everything
 * else is mounted by sandboxes, which take their mounts with them.
 */
import { ArchBuildError } from '../errors.ts';
import { isRoot, overlayNamespace } from './identity.ts';
import { libc, systemError } from './libc.ts';
import { MS } from './plan.ts';

export interface OverlayMount {
  /** Absolute, free of symbolic links. */
  readonly target: string;
  /** The name the mount table shows for it. */
  readonly source: string;
  /** The lower directories are `l/0` (topmost), `l/1`, … below it; a writable one has `upper` and `work`. */
  readonly directory: string;
  readonly lowerCount: number;
  readonly writable: boolean;
}

const UMOUNT_NOFOLLOW = 8;

/** Programs and devices of a foreign image are there to be looked at: no setuid, no device nodes. */
const FLAGS = MS.NOSUID | MS.NODEV;

/** Throws HOST_INCAPABLE for anybody but root; `instead` says what does the same without. */
export function requireMountRights(what: string, instead: string): void {
  if (isRoot()) return;
  throw new ArchBuildError(
    'HOST_INCAPABLE',
    `${what} needs root: the kernel lets nobody else mount for all to see`,
    {
      hint: instead,
    },
  );
}

/** The kernel takes one page of options: names are relative, so that many layers fit. Throws SANDBOX. */
export function mountOverlay({ target, source, directory, lowerCount, writable }: OverlayMount): void {
  const lowers = Array.from({ length: lowerCount }, (_, index) => `l/${index}`).join(':');
  const features = overlayNamespace() === 'user' ? 'userxattr' : 'redirect_dir=off,metacopy=off,index=off';
  const data = `lowerdir=${lowers}${writable ? ',upperdir=upper,workdir=work' : ''},${features}`;
  inDirectory(directory, () => {
    const status = libc().mount(source, target, 'overlay', FLAGS | (writable ? 0 : MS.RDONLY), data);
    if (status >= 0) return;
    const { code = '' } = systemError('mount', target);
    throw new ArchBuildError('SANDBOX', `the kernel refused to mount on ${target}: ${code}`, {
      hint:
        code === 'EPERM'
          ? 'this root may not mount: run outside of the container, or in a mount namespace of its own'
          : 'run `arch-build doctor`: it tells what this host lacks',
    });
  });
}

/** The topmost mount on it. Throws IO, with the reason when something still uses it. */
export function unmount(target: string): void {
  if (libc().umount2(target, UMOUNT_NOFOLLOW) >= 0) return;
  const { code = '' } = systemError('umount', target);
  throw new ArchBuildError('IO', `cannot unmount ${target}: ${code}`, {
    hint: code === 'EBUSY' ? `something still uses it: \`fuser -vm ${target}\` tells what` : 'run as root',
  });
}

/** Nothing else of this process runs in between: the work is synchronous. */
function inDirectory(directory: string, work: () => void): void {
  const before = process.cwd();
  process.chdir(directory);
  try {
    work();
  } finally {
    process.chdir(before);
  }
}
