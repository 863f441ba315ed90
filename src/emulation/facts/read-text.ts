/** Reading the small files of /proc, /sys and /etc, of which any may be absent. */
import { readFileSync } from 'node:fs';

/** Empty for what cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The number a file holds; undefined for none, and for `max`. */
export function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}
