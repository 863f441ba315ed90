/** What of this kernel a step gets to see, and what its overlay can do. */
import { existsSync, statSync } from 'node:fs';
import { release } from 'node:os';

const PROC_FILES = [
  'kcore',
  'keys',
  'latency_stats',
  'timer_list',
  'timer_stats',
  'sched_debug',
  'interrupts',
];
const PROC_DIRECTORIES = ['acpi', 'asound', 'scsi'];
const SYS_DIRECTORIES = ['firmware', 'devices/virtual/powercap'];
const READ_ONLY_PROC = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs'];

export interface MaskChanges {
  /** Absolute paths, of the image as well. */
  readonly masked: readonly string[];
  /** Absolute paths, in whose names `*` and `?` stand for what they do in a shell. */
  readonly unmasked: readonly string[] | 'all';
}

export const NO_CHANGES: MaskChanges = { masked: [], unmasked: [] };

/** What of /proc and /sys a step must not see or write, as far as this kernel has it. */
export function kernelSurface({ masked, unmasked }: MaskChanges = NO_CHANGES): {
  masked: { files: string[]; directories: string[] };
  readOnlyProc: string[];
} {
  const shown = unmasked === 'all' ? [/^/] : unmasked.map(patternOf);
  const usual = [
    ...[...PROC_FILES, ...PROC_DIRECTORIES].map((name) => `/proc/${name}`),
    ...SYS_DIRECTORIES.map((name) => `/sys/${name}`),
  ].filter((path) => !shown.some((pattern) => pattern.test(path)));
  const paths = [...new Set([...usual, ...masked.filter(isKernelPath)])].filter((path) => existsSync(path));
  const isDirectory = (path: string): boolean => statSync(path).isDirectory();
  return {
    masked: { files: paths.filter((path) => !isDirectory(path)), directories: paths.filter(isDirectory) },
    readOnlyProc: READ_ONLY_PROC.map((name) => `/proc/${name}`).filter((path) => existsSync(path)),
  };
}

/** Those of the kernel's, not of the image. */
export const isKernelPath = (path: string): boolean => /^\/(?:proc|sys)\//.test(path);

const patternOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')}$`,
  );

/** Overlay's `volatile` came with Linux 5.10. */
export function hasVolatileOverlay(kernelRelease: string = release()): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 10);
}
