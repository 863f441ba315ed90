/** `key=value` words of the command line. Throws USAGE, with the option's name, for a word without a key. */
import { ArchBuildError } from '../errors.ts';

/** A word without `=` has an empty value. */
export const pairsOf = (option: string, words: readonly string[]): Record<string, string> =>
  Object.fromEntries(words.map((word) => split(option, word)).map(([key, value = '']) => [key, value]));

/** A word without `=` has the value of our own environment; what is not set there is left out. */
export const variablesOf = (option: string, words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    words.flatMap((word) => {
      const [key, value = process.env[key]] = split(option, word);
      return value === undefined ? [] : [[key, value]];
    }),
  );

function split(option: string, word: string): [string, string | undefined] {
  const equals = word.indexOf('=');
  const key = equals < 0 ? word : word.slice(0, equals);
  if (key === '') throw new ArchBuildError('USAGE', `${option} ${JSON.stringify(word)} has no name`);
  return [key, equals < 0 ? undefined : word.slice(equals + 1)];
}
