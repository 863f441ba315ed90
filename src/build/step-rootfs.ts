/**
 * The directories of one sandbox: the lower layers by short names, the upper and work directories, and a *stub
 * layer* with the mount points the image lacks. The stub layer is a lower layer, so a mount point we need never
 * becomes part of what the step changed.
 */
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytePath, toBytePath, type BytePath } from '../layer/byte-path.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { ArchBuildError } from '../errors.ts';
import { CONTENT_DIRECTORY, isPlaced, type StepMount } from '../sys/step-mounts.ts';
import type { Bind } from '../sys/step-plan.ts';

export interface StepRootfs {
  readonly scratch: string;
  readonly lowerCount: number;
  /** What the step will have changed. */
  readonly upper: string;
  /** Targets resolved inside the rootfs: no symlinks left. */
  readonly binds: readonly Bind[];
}

/** A mount point the rootfs must have. Directories for directories, files for files. */
interface MountPoint {
  readonly target: string;
  readonly kind: 'file' | 'directory';
}

const KERNEL_MOUNTS: readonly MountPoint[] = ['/dev', '/proc', '/sys'].map((target) => ({
  target,
  kind: 'directory',
}));

/** `binds` may name targets that do not exist yet and run through symlinks of the image. */
export function prepareRootfs(
  scratch: string,
  lowers: readonly string[],
  binds: readonly (Bind & { readonly kind: 'file' | 'directory' })[],
): StepRootfs {
  for (const name of ['upper', 'work', 'merged', 'stubs', 'l'])
    mkdirSync(join(scratch, name), { mode: 0o755 });
  const lower = new MergedTree(lowers);
  const root = lower.lookup(toBytePath('/'));
  for (const name of ['upper', 'stubs']) {
    if (root === undefined) continue;
    chownSync(join(scratch, name), Number(root.stat.uid), Number(root.stat.gid));
    chmodSync(join(scratch, name), Number(root.stat.mode & 0o7777n));
  }
  const stubs = new LayerWriter(join(scratch, 'stubs'), lower);
  for (const point of KERNEL_MOUNTS) {
    if (lower.lookup(toBytePath(point.target))?.type === 'symlink') {
      throw new ArchBuildError('SANDBOX', `${point.target} of the image is a symlink`, {
        hint: `the image must have ${point.target} as a directory, or not at all`,
      });
    }
    makeMountPoint(stubs, point);
  }
  const resolved = binds
    .map((bind) => ({ ...bind, target: realTarget(stubs, bind) }))
    .filter(
      (bind, index) => isBelowKernelMount(binds[index]?.target ?? '') || !isBelowKernelMount(bind.target),
    )
    .map((bind) => ({ ...bind, target: formatBytePath(makeMountPoint(stubs, bind)) }));
  const trees = [join(scratch, 'stubs'), ...lowers];
  trees.forEach((tree, index) => symlinkSync(tree, join(scratch, 'l', String(index))));
  return { scratch, lowerCount: trees.length, upper: join(scratch, 'upper'), binds: resolved };
}

const realTarget = (stubs: LayerWriter, { target }: Pick<MountPoint, 'target'>): string =>
  formatBytePath(stubs.tree.resolve(toBytePath(target)).path);

/** An image's link that leads there (`/etc/resolv.conf` → `/dev/null`) stays one: a file mounted there breaks the device. */
const isBelowKernelMount = (path: string): boolean =>
  KERNEL_MOUNTS.some(({ target }) => path === target || path.startsWith(`${target}/`));

/** The mount point's real path inside the rootfs, made in the stub layer when the image lacks it. */
function makeMountPoint(stubs: LayerWriter, { target, kind }: MountPoint): BytePath {
  const { path, node } = stubs.tree.resolve(toBytePath(target));
  if (node === undefined) {
    const attributes = { mode: kind === 'directory' ? 0o755 : 0o644, uid: 0, gid: 0, mtimeNs: 0n };
    stubs.ensureParents(path);
    if (kind === 'directory') stubs.makeDirectory(path, attributes);
    else stubs.writeFile(path, Buffer.alloc(0), attributes);
    return path;
  }
  const isDirectory = node.type === 'directory';
  if (isDirectory === (kind === 'directory')) return path;
  throw new ArchBuildError(
    'SANDBOX',
    `cannot mount on ${formatBytePath(path)} of the image: it is a ${node.type}`,
  );
}

/**
 * Targets resolved inside the rootfs, with mount points in the stub layer where the image lacks them. What lies in
 * another mount, or in /dev, gets its mount point there, later.
 */
export function placeMounts(
  { scratch }: StepRootfs,
  lowers: readonly string[],
  mounts: readonly StepMount[],
): StepMount[] {
  const stubs = new LayerWriter(join(scratch, 'stubs'), new MergedTree(lowers));
  if (mounts.some(({ type }) => type === 'content')) mkdirSync(join(scratch, CONTENT_DIRECTORY));
  const resolved = mounts.map((mount) => ({ ...mount, target: realTarget(stubs, mount) }));
  const placed = resolved.filter(isPlaced);
  for (const mount of placed) {
    const isInside = placed.some((other) => mount.target.startsWith(`${other.target}/`));
    if (!isInside && !isBelowKernelMount(mount.target)) makeMountPoint(stubs, mount);
  }
  return resolved;
}

/** A working directory that the image names and lacks is made, as every runtime does; it becomes part of the layer. */
export function ensureWorkdir(
  { scratch, upper }: StepRootfs,
  lowers: readonly string[],
  workdir: string,
): void {
  const writer = new LayerWriter(upper, new MergedTree([join(scratch, 'stubs'), ...lowers]));
  const { path, node } = writer.tree.resolve(toBytePath(workdir));
  if (node === undefined) writer.ensureDirectory(path);
}

/** Writes the files every step may get of its own, such as /etc/hosts. */
export function writeHostFiles(scratch: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(scratch, name), content, { mode: 0o644 });
}
