/** One tar entry becomes one file of the target: the table of what each type needs, and the whiteouts. */
import { linkSync, symlinkSync, unlinkSync } from 'node:fs';
import type { OverlayNamespace } from '../sys/identity.ts';
import { makeNode, S_IFIFO } from '../sys/special-file.ts';
import { applyAttributes, attributesOf, type Attributes } from './attributes.ts';
import { baseNameOf, cleanBytePath, formatBytePath, parentOf, ROOT, type BytePath } from './byte-path.ts';
import { makeDevice } from './device-node.ts';
import { createFile, fillFile, fillFromSource, fillFromStream } from './file-writer.ts';
import { duplicate, type LayerTarget } from './layer-target.ts';
import { readLink } from './merged-tree.ts';
import { invalidLayer } from './tar-format.ts';
import type { TarEntry } from './tar-reader.ts';
import { isLayerXattr, OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts';

export interface UnpackContext {
  readonly target: LayerTarget;
  readonly overlay: OverlayNamespace;
  /** Everything belongs to root: where a single id is mapped there is nobody else. */
  readonly singleOwner: boolean;
}

/** There is a promise only when there is something to wait for. Throws LAYER_INVALID. */
export function unpackEntry(context: UnpackContext, entry: TarEntry): Promise<void> | undefined {
  const path = cleanBytePath(entry.path);
  if (path === ROOT) {
    unpackRoot(context, entry);
    return undefined;
  }
  if (path.length > MAX_PATH) throw invalidLayer(`a path has ${path.length} bytes: no program could open it`);
  if (isAufsMetadata(path)) return undefined;
  if (baseNameOf(path).startsWith(WHITEOUT_PREFIX)) {
    unpackWhiteout(context, path);
    return undefined;
  }
  if (entry.type === 'directory') {
    context.target.makeDirectory(context.target.locate(path), attributesFrom(entry, context));
    return undefined;
  }
  return unpackNode(context, entry, path);
}

/** The kernel's PATH_MAX without its NUL. */
const MAX_PATH = 4095;

function unpackRoot(context: UnpackContext, entry: TarEntry): void {
  if (entry.type !== 'directory') throw invalidLayer(`the root directory is a ${entry.type} in the layer`);
  context.target.setDirectory(ROOT, attributesFrom(entry, context));
}

/** AUFS kept its own things under `.wh..wh.*`; only the opaque mark among them says something. */
function isAufsMetadata(path: BytePath): boolean {
  if (!path.includes(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`)) return false;
  const names = path.split('/');
  return names.some(
    (name, index) =>
      name.startsWith(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`) &&
      (name !== OPAQUE_NAME || index < names.length - 1),
  );
}

/** Sources: OCI image-spec layer.md "Whiteouts": `.wh.` alone is an error; `.wh..` and `.wh...` would delete parents. */
function unpackWhiteout({ target }: UnpackContext, path: BytePath): void {
  const hidden = baseNameOf(path).slice(WHITEOUT_PREFIX.length);
  if (['', '.', '..'].includes(hidden))
    throw invalidLayer(`${formatBytePath(path)} is no whiteout of anything`);
  const located = target.locate(path);
  if (baseNameOf(path) === OPAQUE_NAME) target.hideLower(parentOf(located));
  else target.hide(cleanBytePath(`${parentOf(located)}/${hidden}`));
}

function unpackNode(context: UnpackContext, entry: TarEntry, path: BytePath): Promise<void> | undefined {
  const { target } = context;
  const located = target.locate(path);
  if (entry.type === 'file' && entry.content !== undefined) {
    const attributes = attributesFrom(entry, context);
    fillFile(createOrReplace(target, located, path), target.host(located), {
      data: entry.content,
      attributes,
    });
    return undefined;
  }
  if (entry.type === 'file')
    return fillFromStream(createOrReplace(target, located, path), target.host(located), {
      data: entry.body(),
      attributes: attributesFrom(entry, context),
    });
  if (entry.type === 'hardlink') return unpackHardLink(target, entry, { path, located });
  makeRoom(target, located, path);
  const host = target.host(located);
  if (entry.type === 'symlink') {
    if (entry.linkPath === '') throw invalidLayer(`the symlink ${formatBytePath(path)} has no target`);
    symlinkSync(Buffer.from(entry.linkPath, 'latin1'), host);
    applyAttributes(host, 'symlink', attributesFrom(entry, context));
  } else {
    makeSpecial(context, entry, host);
    applyAttributes(host, 'other', attributesFrom(entry, context));
  }
  return undefined;
}

/** Files nearly always find their place free: only when they do not is it looked at. */
function createOrReplace(target: LayerTarget, located: BytePath, path: BytePath): number {
  try {
    return createFile(target.host(located));
  } catch (error) {
    if (target.occupant(located) === 'nothing') throw error;
    makeRoom(target, located, path);
    return createFile(target.host(located));
  }
}

/**
 * A whiteout gives way: the new file covers what is below as well. So does a file that was unpacked under another
 * name and is reached through a symlink now; the same name twice is an error (image-spec layer.md).
 */
function makeRoom(target: LayerTarget, located: BytePath, path: BytePath): void {
  const occupant = target.occupant(located);
  if (occupant === 'nothing') return;
  if (occupant === 'directory' || (occupant === 'other' && located === path)) throw duplicate(path);
  unlinkSync(target.host(located));
}

function makeSpecial(context: UnpackContext, entry: TarEntry, host: Buffer): void {
  if (entry.type === 'fifo') {
    makeNode(host, S_IFIFO | 0o600);
    return;
  }
  const { major, minor } = entry.device;
  if (entry.type === 'char' && major === 0 && minor === 0) {
    throw invalidLayer(
      `${formatBytePath(cleanBytePath(entry.path))} is the character device 0:0, which means deletion`,
    );
  }
  makeDevice(host, { type: entry.type === 'char' ? 'char' : 'block', device: entry.device }, context);
}

/** The last name of the target is not followed: a hard link to a symlink is a second name of the symlink. */
function unpackHardLink(
  target: LayerTarget,
  entry: TarEntry,
  { path, located }: { readonly path: BytePath; readonly located: BytePath },
): Promise<void> | undefined {
  const linkPath = cleanBytePath(entry.linkPath);
  const source = linkPath === ROOT ? ROOT : target.find(linkPath);
  if (source === located) throw invalidLayer(`${formatBytePath(path)} is a hard link to itself`);
  const link = (): void => {
    makeRoom(target, located, path);
    linkSync(target.host(source), target.host(located));
  };
  switch (target.occupant(source)) {
    case 'other':
      link();
      return undefined;
    case 'nothing': {
      const unfinished = copyUp(target, linkPath, source);
      if (unfinished !== undefined) return unfinished.then(link);
      link();
      return undefined;
    }
    case 'directory':
    case 'whiteout':
      throw invalidLayer(
        `${formatBytePath(path)} is a hard link to ${formatBytePath(linkPath)}, which cannot be linked`,
      );
  }
}

/** A file of a layer below gets its second name here, so it has to be here whole. */
function copyUp(target: LayerTarget, linkPath: BytePath, source: BytePath): Promise<void> | undefined {
  const node = target.lower(source);
  if (node?.type !== 'file' && node?.type !== 'symlink') {
    throw invalidLayer(`a hard link leads to ${formatBytePath(linkPath)}, which is not there`);
  }
  target.locate(source);
  const host = target.host(source);
  const attributes = attributesOf(node);
  if (node.type === 'file') return fillFromSource(createFile(host), host, { source: node, attributes });
  symlinkSync(Buffer.from(readLink(node), 'latin1'), host);
  applyAttributes(host, 'symlink', attributes);
  return undefined;
}

const MAX_ID = 0xfffffffe;
const ROOT_OWNER = { uid: 0, gid: 0 };

/** Attributes that a file of this type cannot have are left out with those that never enter a layer. */
function attributesFrom(entry: TarEntry, { singleOwner }: UnpackContext): Attributes {
  const { mode, mtimeNs, type } = entry;
  const { uid, gid } = singleOwner ? ROOT_OWNER : entry;
  if (uid > MAX_ID || gid > MAX_ID) {
    throw invalidLayer(`${formatBytePath(cleanBytePath(entry.path))} has an owner beyond 32 bits`);
  }
  if (entry.xattrs.size === 0 || (type !== 'file' && type !== 'directory'))
    return { mode, uid, gid, mtimeNs };
  return {
    mode,
    uid,
    gid,
    mtimeNs,
    xattrs: new Map([...entry.xattrs].filter(([name]) => isLayerXattr(name))),
  };
}
