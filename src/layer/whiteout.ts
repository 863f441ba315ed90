/**
 * The whiteout dialects, in one place.
 *
 *   deletion of `name`   OCI tar `.wh.name`          overlay: character device 0:0, or (newer) an empty file with the
 *                                                    `overlay.whiteout` xattr in a directory with `overlay.opaque` = x
 *   opaque directory     OCI tar `.wh..wh..opq` in it  overlay: `overlay.opaque` = y on it
 *
 * Sources: OCI image-spec layer.md "Whiteouts"; Linux Documentation/filesystems/overlayfs.rst.
 */
import type { OverlayNamespace } from '../sys/identity.ts';

export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_NAME = '.wh..wh..opq';

export const opaqueXattr = (namespace: OverlayNamespace): string => `${namespace}.overlay.opaque`;
export const whiteoutXattr = (namespace: OverlayNamespace): string => `${namespace}.overlay.whiteout`;

/** Attributes overlayfs keeps for itself: they never enter a layer. */
const isOverlayXattr = (name: string): boolean => /^(trusted|user)\.overlay\./.test(name);

/** On the empty file that stands for a device node in a rootless store: see device-node.ts. */
export const DEVICE_MARK = 'user.arch-build.device';

/** What survives into a layer (and from one onto disk): file capabilities and the user's own. */
export const isLayerXattr = (name: string): boolean =>
  name === 'security.capability' ||
  (name.startsWith('user.') && !isOverlayXattr(name) && name !== DEVICE_MARK);

/** What a file of a snapshot keeps when it is copied to another one. */
export const isSnapshotXattr = (name: string): boolean => isLayerXattr(name) || name === DEVICE_MARK;
