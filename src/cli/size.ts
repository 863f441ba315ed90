/** Sizes as docker writes them: `512m`, `1.5g`, `64MiB`. */
import { ArchBuildError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Throws USAGE, with the option's name. Nothing is no size. */
export function bytesOf(option: string, word: string): number {
  const { amount, unit = '' } =
    /^(?<amount>\d{1,12}(?:\.\d{1,6})?)(?<unit>[kmgt]?)(?:i?b)?$/i.exec(word)?.groups ?? {};
  const bytes = Math.floor(Number(amount) * (UNITS[unit.toLowerCase()] ?? 1));
  if (bytes > 0) return bytes;
  throw new ArchBuildError('USAGE', `${option} ${word} is no size such as 64m`);
}
