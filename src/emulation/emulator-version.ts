/** Versions of emulators: how they compare, what a word of the command line means, and which are too old for a machine. */
import type { Architecture } from './architecture.ts';

/** Whether a word means a version (`7.2.22`, `10`) and not a file: `./10` is always a file. */
export const looksLikeVersion = (word: string): boolean => /^\d+(?:\.\d+)*(?:[-+~][\w.+~-]*)?$/.test(word);

/** `10` and `10.0` mean 10.0.13; `7.2.2` does not mean 7.2.22. */
export const matchesVersion = (version: string, wanted: string): boolean =>
  version === wanted || (version.startsWith(wanted) && /^[.+~-]/.test(version.slice(wanted.length)));

/** For sorting, oldest first. */
export const compareVersions = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Too old for what the distributions of this machine are built for today: it starts, and its programs die. */
export const isTooOld = (version: string, { oldestVersion }: Architecture): boolean =>
  oldestVersion !== undefined && compareVersions(version, oldestVersion) < 0;

/** What to tell about one that is too old; continues the sentence "qemu 7.2.22 …". Undefined for the others. */
export function ageFault(version: string, architecture: Architecture): string | undefined {
  if (!isTooOld(version, architecture)) return undefined;
  const { arch, oldestVersion = '' } = architecture;
  return `is too old for today's distributions of ${arch}, whose programs die of SIGILL before ${oldestVersion}`;
}
