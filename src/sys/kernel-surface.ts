/** What of this kernel a step gets to see, and what its overlay can do. */
import { existsSync } from 'node:fs';
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

/** What of /proc and /sys a step must not see or write, as far as this kernel has it. */
export function kernelSurface(): {
  masked: { files: string[]; directories: string[] };
  readOnlyProc: string[];
} {
  const existing = (paths: readonly string[]): string[] => paths.filter((path) => existsSync(path));
  return {
    masked: {
      files: existing(PROC_FILES.map((name) => `/proc/${name}`)),
      directories: existing([
        ...PROC_DIRECTORIES.map((name) => `/proc/${name}`),
        ...SYS_DIRECTORIES.map((name) => `/sys/${name}`),
      ]),
    },
    readOnlyProc: existing(READ_ONLY_PROC.map((name) => `/proc/${name}`)),
  };
}

/** Overlay's `volatile` came with Linux 5.10. */
export function hasVolatileOverlay(kernelRelease: string = release()): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 10);
}
