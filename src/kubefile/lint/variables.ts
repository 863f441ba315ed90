/** Variables that have no value where they are used. */
import { lexWord } from '../word-lexer.ts';
import { placeOf } from '../source-text.ts';
import { didYouMean } from '../suggest.ts';
import type { LintInput, LintStage, LintStep, Remark, Rule } from './rule.ts';
import { expandedWords } from './stage-walk.ts';

/** Names that a build gives a meaning without declaration. */
const FREE = new Set(['SOURCE_DATE_EPOCH']);

export const undefinedVar: Rule = {
  name: 'UndefinedVar',
  about: 'Variables should be defined before they are used',
  when: 'build',
  *find(input) {
    for (const stage of input.stages) for (const step of stage.steps) yield* undefinedIn(input, stage, step);
  },
};

function* undefinedIn(
  { kubefile, source }: LintInput,
  { complete }: LintStage,
  { instruction, variables, declared }: LintStep,
): Iterable<Remark> {
  const used = new Set(
    expandedWords(instruction).flatMap((word) =>
      word.includes('$') ? plainNames(word, kubefile.escape) : [],
    ),
  );
  if (used.size === 0) return;
  const isCopy = instruction.keyword === 'COPY' || instruction.keyword === 'ADD';
  const known = new Set([...variables.keys(), ...declared, ...FREE]);
  if (isCopy && kubefile.dialect !== 'dockerfile') known.add('ARCH');
  for (const name of used) {
    if (known.has(name)) continue;
    const near = didYouMean(name, [...known], '$');
    // The base of the stage may set it, unless all of that is known or the name looks like a slip of one that is.
    if (!complete && near === undefined) continue;
    const message = `$${name} is not defined here${near === undefined ? '' : `: ${near}`}`;
    yield { message, position: placeOf(source, instruction.range, name) };
  }
}

export const undefinedArgInFrom: Rule = {
  name: 'UndefinedArgInFrom',
  about: 'FROM sees only the ARGs before the first FROM',
  when: 'build',
  *find({ kubefile, source, globals }) {
    const known = new Set([
      ...globals.keys(),
      ...kubefile.globalArgs.flatMap(({ args }) => args.map(({ key }) => key)),
    ]);
    for (const { from } of kubefile.stages) {
      const words = [from.image, from.platform ?? ''];
      for (const name of new Set(words.flatMap((word) => plainNames(word, kubefile.escape)))) {
        if (known.has(name)) continue;
        const near = didYouMean(name, [...known], '$');
        const message = `FROM uses $${name}, which no ARG before the first FROM declares${near === undefined ? '' : `: ${near}`}`;
        yield { message, position: placeOf(source, from.range, name) };
      }
    }
  },
};

/** The variables a word uses without a word of its own for when they are unset (`${x:-…}`, `${x:+…}`, `${x?…}`). */
export function plainNames(word: string, escape: '\\' | '`'): string[] {
  const names: string[] = [];
  const scope = { get: () => undefined };
  try {
    lexWord(word, scope, { escape, keepUnset: true, onUndefined: (name) => names.push(name) });
  } catch {
    return [];
  }
  return names.filter(
    (name) => /^[A-Za-z_]\w*$/.test(name) && new RegExp(`\\$(?:${name}(?!\\w)|\\{${name}[}#%/])`).test(word),
  );
}
