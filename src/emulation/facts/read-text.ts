/** Looking at files of the host, of which any may be absent or closed to us. */
import { readFileSync, statSync, type Stats } from 'node:fs';

/** Empty for what cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Undefined for what is not there, and for what a folder on the way hides from us. */
export function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The number a file holds; undefined for none, and for `max`. */
export function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}
