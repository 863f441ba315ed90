/**
 * Device nodes of layers. Nobody can make one inside a user namespace, so in a rootless store an empty file with a
 * mark stands for each: the layer's tar has the device all the same, byte for byte what root's store gives.
 */
import { closeSync } from 'node:fs';
import type { OverlayNamespace } from '../sys/identity.ts';
import { makeNode, S_IFBLK, S_IFCHR, type Device } from '../sys/special-file.ts';
import { readXattr, writeXattr } from '../sys/xattr.ts';
import { createFile } from './file-writer.ts';
import { DEVICE_MARK } from './whiteout.ts';

export interface DeviceNode {
  readonly type: 'char' | 'block';
  readonly device: Device;
}

/** Mode and owner are the caller's to set. In a `user` overlay there is only the stand-in; its mark says `c 1 3`, as mknod(1) takes it. */
export function makeDevice(
  host: Buffer,
  { type, device }: DeviceNode,
  { overlay }: { readonly overlay: OverlayNamespace },
): void {
  if (overlay === 'trusted') {
    makeNode(host, (type === 'char' ? S_IFCHR : S_IFBLK) | 0o600, device);
    return;
  }
  closeSync(createFile(host));
  writeXattr(host, DEVICE_MARK, Buffer.from(`${type[0] ?? ''} ${device.major} ${device.minor}`));
}

/** What an empty file with a mark stands for; undefined for a mark that makes no sense. */
export function readDeviceMark(host: Buffer): DeviceNode | undefined {
  const words = /^(?<type>[cb]) (?<major>\d{1,9}) (?<minor>\d{1,9})$/.exec(
    readXattr(host, DEVICE_MARK)?.toString('latin1') ?? '',
  )?.groups;
  if (words === undefined) return undefined;
  const device = { major: Number(words['major']), minor: Number(words['minor']) };
  return { type: words['type'] === 'c' ? 'char' : 'block', device };
}
