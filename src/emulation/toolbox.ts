/**
 * The toolbox of a machine: one static busybox of that machine, which lends a shell and tools to steps whose rootfs
 * has none. It runs as everything else of the step does: natively or under the emulator.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { packageRoot } from '../sys/package-root.ts';
import type { Architecture } from './architecture.ts';
import { architectureOfElf, inspectElf } from './elf.ts';
import { pinnedToolboxes } from './pins.ts';

export interface Toolbox {
  /** The machine it runs on. */
  readonly arch: string;
  readonly path: string;
  /** busybox's own version. */
  readonly version: string;
  /** Hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly source: 'environment' | 'store' | 'program';
}

export interface ToolboxPlaces {
  /** ARCH_BUILD_TOOLBOX is read: directories with `busybox-<arch>`, separated by colons. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Root of the store. */
  readonly storeDirectory: string;
}

export const toolboxPath = (storeDirectory: string, { arch }: Architecture): string =>
  join(storeDirectory, 'toolbox', arch, 'busybox');

/** Below the folder of the program, when it came along in a kit. */
export const packedToolboxPath = ({ arch }: Pick<Architecture, 'arch'>): string => `toolbox/busybox-${arch}`;

/** The first there is. Throws TOOL_MISSING for a file in one of the places that is no toolbox of the machine. */
export async function findToolbox(
  architecture: Architecture,
  { environment, storeDirectory }: ToolboxPlaces,
): Promise<Toolbox | undefined> {
  const folders = (environment['ARCH_BUILD_TOOLBOX'] ?? '').split(':').filter(isAbsolute);
  const candidates = [
    ...folders.map((folder) => ({
      path: join(folder, `busybox-${architecture.arch}`),
      source: 'environment' as const,
    })),
    { path: toolboxPath(storeDirectory, architecture), source: 'store' as const },
    { path: join(packageRoot(), packedToolboxPath(architecture)), source: 'program' as const },
  ];
  for (const { path, source } of candidates) {
    const found = await identifyToolbox(path);
    if (found === undefined) continue;
    const why = typeof found === 'string' ? found : objection(found.architecture, architecture);
    if (typeof found !== 'string' && why === undefined) {
      const { architecture: _, ...facts } = found;
      return { arch: architecture.arch, path, ...facts, source };
    }
    throw new ArchBuildError('TOOL_MISSING', `${path} ${why}, so it cannot be the toolbox`, {
      hint: toolboxHint(architecture),
    });
  }
  return undefined;
}

export function toolboxHint({ arch, debian }: Architecture): string {
  const isPinned = pinnedToolboxes().some((each) => each.arch === arch);
  const fetch = isPinned
    ? `run \`arch-build emulators fetch --toolbox ${arch}\`, or where there is no network`
    : 'run';
  return `${fetch} \`arch-build emulators import FILE\` with Debian's busybox-static_*_${debian ?? arch}.deb or any static busybox for ${arch}`;
}

const objection = (found: Architecture, wanted: Architecture): string | undefined =>
  found.arch === wanted.arch ? undefined : `is a program for ${found.arch}, not for ${wanted.arch}`;

export interface ToolboxIdentity {
  readonly architecture: Architecture;
  readonly version: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Far above any busybox. */
const LARGEST = 64 * 1024 * 1024;

/** What the file is, or why it can be no toolbox (continues "PATH …"); undefined when there is none. Throws IO. */
export async function identifyToolbox(path: string): Promise<ToolboxIdentity | string | undefined> {
  let content: Buffer;
  try {
    const stats = await stat(path);
    if (!stats.isFile()) return 'is not a regular file';
    if (stats.size > LARGEST) return 'is larger than any busybox';
    content = await readFile(path);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ArchBuildError('IO', `cannot read ${path}: ${code ?? String(cause)}`, { cause });
  }
  const facts = inspectElf(content);
  if (facts === undefined) return 'is not an ELF program';
  const version = versionIn(content);
  if (version === undefined) return 'is not a busybox';
  const architecture = architectureOfElf(facts);
  if (architecture === undefined) return `is a program for machine ${facts.machine}, which is unknown`;
  if (facts.linking !== 'static')
    return `is dynamically linked (needs ${facts.interpreter ?? 'a loader'}), so it cannot run inside another rootfs`;
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { architecture, version, sha256, sizeBytes: content.length };
}

/** It may be of a machine that does not run here: its banner says what it is. */
function versionIn(content: Buffer): string | undefined {
  const at = content.indexOf('BusyBox v');
  if (at < 0) return undefined;
  return /^BusyBox v(\d[\w.+~-]{0,63})/.exec(content.toString('latin1', at, at + 80))?.[1];
}
