/** What sets an entry of the table apart from a line that is to be registered under its name. Pure. */
import type { BinfmtEntry, Registration } from '../binfmt-entry.ts';
import { shownFlags } from './marks.ts';

/** Each continues the sentence "the entry …"; none when it is what the line would make. */
export function differencesOf(entry: BinfmtEntry, registration: Registration): string[] {
  const { enabled, interpreter, flags } = entry;
  const wanted = shownFlags(registration.flags);
  return [
    ...(enabled ? [] : ['is disabled']),
    ...(interpreter === registration.interpreter
      ? []
      : [`starts ${interpreter} instead of ${registration.interpreter}`]),
    ...(sameLetters(flags, wanted)
      ? []
      : [
          `has ${flags === '' ? 'no flags' : `the flags ${flags}`} instead of ${wanted === '' ? 'none' : wanted}`,
        ]),
    ...(sameMatch(entry, registration) ? [] : ['has another magic or mask']),
  ];
}

const sameLetters = (one: string, other: string): boolean =>
  Array.from(one).sort().join('') === Array.from(other).sort().join('');

function sameMatch({ match }: BinfmtEntry, { magic, mask }: Registration): boolean {
  if (match.kind !== 'magic' || match.offset !== 0) return false;
  const shown = match.mask?.toString('hex') ?? 'ff'.repeat(match.magic.length);
  return match.magic.toString('hex') === magic && shown === mask;
}
