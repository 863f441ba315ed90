/** All functions of templates by name. A word that sprig and Go both have is Go's, but for `slice`. */
import type { TemplateFunction } from '../value.ts';
import { BUILTIN } from './builtin.ts';
import { DATES } from './dates.ts';
import { DEFAULTS } from './defaults.ts';
import { ENCODING } from './encoding.ts';
import { LISTS, MAPS } from './lists.ts';
import { MATH } from './math.ts';
import { REGULAR } from './regular.ts';
import { STRINGS } from './strings.ts';
import { VERSIONS } from './versions.ts';

/** Without those that need the templates themselves (`include`, `tpl`). */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(
  [BUILTIN, DATES, DEFAULTS, ENCODING, LISTS, MAPS, MATH, REGULAR, STRINGS, VERSIONS].flatMap((table) =>
    Object.entries(table),
  ),
);

/** The evaluator's own, which are words of the language all the same. */
export const LANGUAGE: readonly string[] = ['and', 'or'];
