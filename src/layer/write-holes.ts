/** Writing file content with holes: long runs of zeros read as zeros anyway, and take no space left out. */
import { writeSync } from 'node:fs';

const HOLE = Buffer.alloc(64 << 10);

/** Writes the chunk at its position, except for its runs of zeros; the caller sets the size of the file at the end. */
export function writeWithHoles(fd: number, chunk: Buffer, position: number): void {
  let start = 0;
  for (let at = 0; at < chunk.length; at += HOLE.length) {
    const end = Math.min(at + HOLE.length, chunk.length);
    if (chunk[at] !== 0 || !chunk.subarray(at, end).equals(HOLE.subarray(0, end - at))) continue;
    writeAll(fd, chunk.subarray(start, at), position + start);
    start = end;
  }
  writeAll(fd, chunk.subarray(start), position + start);
}

/** The whole of it, however many writes that takes; without a position where the descriptor stands. */
export function writeAll(fd: number, data: Uint8Array, position?: number): void {
  for (let done = 0; done < data.length;) {
    const at = position === undefined ? null : position + done;
    done += writeSync(fd, data, done, data.length - done, at);
  }
}
