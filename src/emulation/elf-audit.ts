/**
 * Which machine an ELF file is for, against the platform of its image. Only machines that run Linux count: programs
 * of graphics cards and of the kernel's own virtual machine are data to everybody else.
 */
import type { Platform } from '../oci/platform.ts';
import { architectureOf } from './architecture.ts';
import { architectureOfElf, inspectElf } from './elf.ts';

export interface ElfBinary {
  /** As OCI writes it, without a variant; qemu's name of a machine that has no platform. */
  readonly machine: string;
  readonly kind: 'program' | 'object';
}

const ET_REL = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const KINDS: Readonly<Record<number, ElfBinary['kind']>> = {
  [ET_REL]: 'object',
  [ET_EXEC]: 'program',
  [ET_DYN]: 'program',
};

/** Processors that run programs of another machine too, and distributions that ship both in one image. */
const COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  amd64: ['386', 'i486'],
  arm64: ['arm'],
  mips64: ['mips', 'mips64p32'],
  mips64le: ['mipsle', 'mips64p32le'],
  ppc64: ['ppc'],
  riscv64: ['riscv32'],
  sparc64: ['sparc', 'sparc32plus'],
};

/** `head` is the beginning of a file, 64 bytes do. Undefined for what is no program, library or object of Linux. */
export function inspectBinary(head: Uint8Array): ElfBinary | undefined {
  const facts = inspectElf(head);
  const kind = facts && KINDS[facts.type];
  const architecture = facts && architectureOfElf(facts);
  if (kind === undefined || architecture === undefined) return undefined;
  return { machine: architecture.platforms[0]?.architecture ?? architecture.arch, kind };
}

/** Platforms that nothing is known about run everything: it is not for us to say that they do not. */
export function platformRuns(platform: Platform, machine: string): boolean {
  const usual = architectureOf(platform)?.platforms[0]?.architecture;
  return usual === undefined || usual === machine || COMPANIONS[usual]?.includes(machine) === true;
}
