/** What the operator in `${name OPERATOR word}` makes of the value. */
import { ArchBuildError } from '../errors.ts';
import { parseGlob, replaceGlob, trimPrefix, trimSuffix } from './glob.ts';

export type Modifier = '+' | '-' | '?' | '#' | '%' | '/';

export interface Operands {
  /** Undefined when the variable is unset. */
  readonly value: string | undefined;
  /** `:` before the operator, so that empty counts as unset; `//` for the operator `/`. */
  readonly colon: boolean;
  readonly word: string;
  readonly replacement?: string;
  readonly escape: string;
}

const OPERATORS: Record<Modifier, (operands: Operands) => string> = {
  '-': ({ value, colon, word }) => (missing(value, colon) ? word : (value ?? '')),
  '+': ({ value, colon, word }) => (missing(value, colon) ? '' : word),
  '?': ({ value }) => value ?? '',
  '#': ({ value, word, escape }) => {
    const longest = word.startsWith('#');
    return trimPrefix(value ?? '', parseGlob(longest ? word.slice(1) : word, escape), longest);
  },
  '%': ({ value, word, escape }) => {
    const longest = word.startsWith('%');
    return trimSuffix(value ?? '', parseGlob(longest ? word.slice(1) : word, escape), longest);
  },
  '/': ({ value, colon, word, replacement = '', escape }) =>
    replaceGlob(value ?? '', parseGlob(word, escape), { replacement, all: colon }),
};

export const substitute = (modifier: Modifier, operands: Operands): string => OPERATORS[modifier](operands);

/** `${name?word}` of a variable that has no value. */
export function unsetError(name: string, value: string | undefined, word: string): ArchBuildError {
  const fallback = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty';
  return new ArchBuildError('EXPANSION', `${name}: ${word === '' ? fallback : word}`);
}

const missing = (value: string | undefined, emptyToo: boolean): boolean =>
  value === undefined || (emptyToo && value === '');
