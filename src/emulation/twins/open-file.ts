/** A file that is read here and there and closed at the end of the block. Throws the system's errors. */
import { closeSync, openSync, readSync } from 'node:fs';

export interface ReadableFile extends Disposable {
  /** How many bytes there were; without `offset`, those after the last read. */
  read(into: Buffer, offset?: number): number;
}

export function openForReading(hostPath: string): ReadableFile {
  const descriptor = openSync(hostPath, 'r');
  return {
    read: (into, offset) => readSync(descriptor, into, 0, into.length, offset ?? null),
    [Symbol.dispose]: () => {
      closeSync(descriptor);
    },
  };
}

/** `length` bytes from `offset`, fewer at the end of the file. */
export function readPart(file: ReadableFile, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, file.read(bytes, offset));
}
