/** The content of a new file of a layer, written by the shortest way its size allows. */
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import {
  applyAttributes,
  setModificationTime,
  setOwner,
  wholeSeconds,
  writeXattrs,
  type Attributes,
} from './attributes.ts';
import { throughDescriptor } from './live-directory.ts';
import { openSource, requireSame, withSourceFile, type SourceFile } from './source-file.ts';
import { writeAll, writeWithHoles } from './write-holes.ts';

/** Up to this size a read and a write are cheaper than asking the kernel to copy. */
const SMALL = 1 << 20;
/** From this size on the event loop must not wait for the copy. */
const LARGE = 64 << 20;

const buffer = Buffer.allocUnsafe(SMALL);

/** Throws EEXIST as the system does when the name is taken. */
export function createFile(host: Buffer): number {
  return openSync(
    host,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
}

/** Writes, sets the attributes and closes. */
export function fillFile(
  fd: number,
  host: Buffer,
  content: { data: Uint8Array; attributes: Attributes },
): void {
  try {
    writeAll(fd, content.data);
    finish(fd, host, content.attributes);
  } finally {
    closeSync(fd);
  }
}

/** As `fillFile`, from another file; there is a promise only when the file is large. */
export function fillFromSource(
  fd: number,
  host: Buffer,
  { source, attributes }: { source: SourceFile; attributes: Attributes },
): Promise<void> | undefined {
  const { size } = source.stat;
  if (size >= BigInt(LARGE)) {
    closeSync(fd);
    return copyLarge(host, source, attributes);
  }
  try {
    if (size <= BigInt(SMALL)) withSourceFile(source, (from) => copySmall(from, fd, Number(size)));
    else copyMedium(source, host);
    finish(fd, host, attributes);
  } finally {
    closeSync(fd);
  }
  return undefined;
}

/** As `fillFile`, from pieces. Long runs of zeros become holes: they read as zeros and take no space. */
export async function fillFromStream(
  fd: number,
  host: Buffer,
  { data, attributes }: { data: AsyncIterable<Buffer>; attributes: Attributes },
): Promise<void> {
  try {
    let position = 0;
    for await (const chunk of data) {
      writeWithHoles(fd, chunk, position);
      position += chunk.length;
    }
    ftruncateSync(fd, position);
    finish(fd, host, attributes);
  } finally {
    closeSync(fd);
  }
}

async function copyLarge(host: Buffer, source: SourceFile, attributes: Attributes): Promise<void> {
  const fd = openSource(source);
  try {
    await copyFile(throughDescriptor(fd), host, constants.COPYFILE_FICLONE);
    requireSame(source, fd);
  } finally {
    closeSync(fd);
  }
  applyAttributes(host, 'other', attributes);
}

function copyMedium(source: SourceFile, host: Buffer): void {
  const fd = openSource(source);
  try {
    copyFileSync(throughDescriptor(fd), host, constants.COPYFILE_FICLONE);
    requireSame(source, fd);
  } finally {
    closeSync(fd);
  }
}

function copySmall(from: number, to: number, size: number): void {
  for (let left = size; left > 0;) {
    const count = readSync(from, buffer, 0, left, null);
    if (count === 0) return; // shorter than it was: noticed afterwards
    writeAll(to, buffer.subarray(0, count));
    left -= count;
  }
}

function finish(fd: number, host: Buffer, attributes: Attributes): void {
  setOwner(attributes, (uid, gid) => fchownSync(fd, uid, gid));
  fchmodSync(fd, attributes.mode);
  writeXattrs(host, attributes);
  const seconds = wholeSeconds(attributes.mtimeNs);
  if (seconds === undefined) setModificationTime(host, attributes.mtimeNs);
  else futimesSync(fd, seconds, seconds);
}
