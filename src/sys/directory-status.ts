/**
 * What lstat(2) says of the files of a directory, without what Node makes of it: some thirty objects for each file, to
 * make and to move which took most of a walk over many thousands of files.
 */
import { lstatSync, type BigIntStats } from 'node:fs';
import { libc, type Libc } from './libc.ts';

export type FileStatus = Pick<
  BigIntStats,
  'mode' | 'uid' | 'gid' | 'size' | 'nlink' | 'ino' | 'dev' | 'rdev' | 'mtimeNs' | 'ctimeNs'
>;

const NO_FOLLOW = 0x100;
const BASIC = 0x7ff;
const RECORD = 256; // sizeof(struct statx)
const RECORDS = 64;
const LONGEST_NAME = 255;

/** Of an open directory, the caller's to close. */
export class DirectoryStatus {
  readonly #directory: number;
  readonly #libc: Libc = libc();
  readonly #name = Buffer.alloc(LONGEST_NAME + 1);
  #block = Buffer.alloc(0);
  #next = 0;

  constructor(directory: number) {
    this.#directory = directory;
  }

  /** `name`: a byte string. Undefined when it is not there. Throws Node's own error. */
  read(name: string): FileStatus | undefined {
    if (this.#next === this.#block.length) {
      this.#block = Buffer.alloc(RECORD * RECORDS);
      this.#next = 0;
    }
    const record = this.#block.subarray(this.#next, this.#next + RECORD);
    this.#name[this.#name.write(name, 'latin1')] = 0;
    const isRead = this.#libc.statx?.(this.#directory, this.#name, NO_FOLLOW, BASIC, record) === 0;
    if (!isRead) return this.#readByNode(name);
    this.#next += RECORD;
    return new StatusRecord(record);
  }

  /** Where there is no such call, or it is forbidden, or the file is gone: Node knows, or says what is wrong. */
  #readByNode(name: string): FileStatus | undefined {
    const path = Buffer.from(`/proc/self/fd/${this.#directory}/${name}`, 'latin1');
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  }
}

/** A `struct statx` read where the kernel wrote it. */
class StatusRecord implements FileStatus {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get nlink(): bigint {
    return BigInt(this.#bytes.readUInt32LE(16));
  }
  get uid(): bigint {
    return BigInt(this.#bytes.readUInt32LE(20));
  }
  get gid(): bigint {
    return BigInt(this.#bytes.readUInt32LE(24));
  }
  get mode(): bigint {
    return BigInt(this.#bytes.readUInt16LE(28));
  }
  get ino(): bigint {
    return this.#bytes.readBigUInt64LE(32);
  }
  get size(): bigint {
    return this.#bytes.readBigUInt64LE(40);
  }
  get ctimeNs(): bigint {
    return this.#time(96);
  }
  get mtimeNs(): bigint {
    return this.#time(112);
  }
  get rdev(): bigint {
    return this.#device(128);
  }
  get dev(): bigint {
    return this.#device(136);
  }

  #time(offset: number): bigint {
    return this.#bytes.readBigInt64LE(offset) * 1_000_000_000n + BigInt(this.#bytes.readUInt32LE(offset + 8));
  }

  /** Major and minor as one number, as makedev(3) puts them together. */
  #device(offset: number): bigint {
    const [major, minor] = [
      BigInt(this.#bytes.readUInt32LE(offset)),
      BigInt(this.#bytes.readUInt32LE(offset + 4)),
    ];
    return (
      ((major & 0xfffff000n) << 32n) |
      ((major & 0xfffn) << 8n) |
      ((minor & 0xffffff00n) << 12n) |
      (minor & 0xffn)
    );
  }
}
