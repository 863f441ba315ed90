/** The hosts of a command line: addresses, lists and ranges of them, and what is known of their platforms. Pure. */
import { isIP } from 'node:net';
import { ArchBuildError } from '../errors.ts';

/** More hosts than this in one range are a typing error. */
const LARGEST_RANGE = 1024;

/** `IP`, `IP,IP`, `IP-IP`. Throws USAGE for anything else, and for an address that is there twice. */
export function parseHosts(option: string, words: readonly string[]): string[] {
  const addresses = words.flatMap((word) => word.split(',')).filter((word) => word !== '');
  return addresses.flatMap((word) => {
    const [from = '', to, ...rest] = word.split('-');
    if (isIP(word) !== 0) return [word];
    if (to === undefined || rest.length > 0 || isIP(from) !== 4 || isIP(to) !== 4) {
      throw new ArchBuildError('USAGE', `${option} ${JSON.stringify(word)} is no IP address`, {
        hint: 'write 192.168.0.2, a list with commas, or a range such as 192.168.0.2-192.168.0.9',
      });
    }
    return rangeOf(from, to, { option, word });
  });
}

function rangeOf(from: string, to: string, { option, word }: { option: string; word: string }): string[] {
  const [first, last] = [numberOf(from), numberOf(to)];
  if (last < first || last - first >= LARGEST_RANGE) {
    throw new ArchBuildError('USAGE', `${option} ${word} is no range of at most ${LARGEST_RANGE} addresses`);
  }
  return Array.from({ length: last - first + 1 }, (_, index) => addressOf(first + index));
}

const numberOf = (address: string): number =>
  address.split('.').reduce((number, part) => number * 256 + Number(part), 0);

const addressOf = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');

/** Throws USAGE. */
export function refuseTwice(addresses: readonly string[]): void {
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw new ArchBuildError('USAGE', `${twice} is named twice`);
}

/** `IP=PLATFORM` words. Throws USAGE. */
export function parseHostPlatforms(words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    words.map((word) => {
      const equals = word.indexOf('=');
      if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)] as const;
      throw new ArchBuildError('USAGE', `--platform ${JSON.stringify(word)} names no host`, {
        hint: 'write --platform IP=os/architecture',
      });
    }),
  );
}
