/** Small real programs for tests: static x86_64 ELF files that print a text and exit. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { elfHeader, probeProgram } from '../../src/emulation/probe.ts';

const BASE = 0x400000n;

export interface TinyProgram {
  readonly prints: string;
  readonly status?: number;
  /** Gives it a PT_INTERP, as a dynamically linked program has. */
  readonly interpreter?: string;
  readonly arch?: string;
}

export function tinyProgram({ prints, status = 0, interpreter, arch = 'x86_64' }: TinyProgram): Buffer {
  const architecture = architectureByName(arch)!;
  const segments = interpreter === undefined ? 1 : 2;
  const codeAt = 64 + 56 * segments;
  const text = Buffer.from(prints);
  const path = Buffer.from(`${interpreter ?? ''}\0`);
  const code = machineCode(text.length, status);
  const header = elfHeader(architecture, { codeAt });
  header.writeBigUInt64LE(BASE + BigInt(codeAt), 24);
  header.writeUInt16LE(segments, 56);
  const size = codeAt + code.length + text.length + path.length;
  const load = segment({ type: 1, offset: 0, size });
  const interp = segment({ type: 3, offset: codeAt + code.length + text.length, size: path.length });
  return Buffer.concat([header, ...(interpreter === undefined ? [] : [interp]), load, code, text, path]);
}

export function writeProgram(path: string, program: Buffer, mode = 0o755): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, program);
  chmodSync(path, mode);
  return path;
}

/** As qemu answers `--version`. */
export const fakeEmulator = (target: string, version = '9.9.9'): Buffer =>
  tinyProgram({ prints: `qemu-${target} version ${version} (test)\nCopyright\n` });

/** A program of any machine that has a busybox's banner. */
export const tinyBusybox = (version: string, arch: string): Buffer =>
  Buffer.concat([
    probeProgram(architectureByName(arch)!)!,
    Buffer.from(`\0BusyBox v${version} (Debian 1:1)\0`),
  ]);

/** write(1, text, length); exit(status), the text right behind the code. */
function machineCode(length: number, status: number): Buffer {
  const code = Buffer.from('b801000000bf01000000488d3500000000ba000000000f05b83c000000bf000000000f05', 'hex');
  const textFrom = code.length - 17; // the address is relative to the end of the lea
  code.writeInt32LE(textFrom, 13);
  code.writeUInt32LE(length, 18);
  code.writeUInt32LE(status, 30);
  return code;
}

function segment({ type, offset, size }: { type: number; offset: number; size: number }): Buffer {
  const bytes = Buffer.alloc(56);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(5, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  bytes.writeBigUInt64LE(BASE + BigInt(offset), 16);
  bytes.writeBigUInt64LE(BASE + BigInt(offset), 24);
  bytes.writeBigUInt64LE(BigInt(size), 32);
  bytes.writeBigUInt64LE(BigInt(size), 40);
  bytes.writeBigUInt64LE(0x1000n, 48);
  return bytes;
}
