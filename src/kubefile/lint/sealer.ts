/** What sealer would make of a line of a Kubefile that a build here reads as it is written. */
import type { CopyInstruction, RunInstruction } from '../instruction.ts';
import { placeOf } from '../source-text.ts';
import { firstSourceFacts } from './context-sources.ts';
import { baseName, isSpreadWord } from './placement.ts';
import type { LintInput, LintStep, Rule, SourceFacts } from './rule.ts';

const stepsOf = ({ stages }: LintInput): LintStep[] => stages.flatMap(({ steps }) => [...steps]);

function* runs(
  input: LintInput,
): Iterable<LintStep & { readonly instruction: RunInstruction; readonly text: string }> {
  if (input.kubefile.dialect !== 'kubefile-v1') return;
  for (const step of stepsOf(input)) {
    const { instruction } = step;
    if (instruction.keyword !== 'RUN' || instruction.command.form !== 'shell') continue;
    yield { ...step, instruction, text: instruction.command.text };
  }
}

export const sealerDropsQuotes: Rule = {
  name: 'SealerDropsQuotes',
  about: 'sealer v0.8 takes quotes out of RUN before the shell sees them',
  when: 'check',
  *find(input) {
    for (const { instruction, text } of runs(input)) {
      const [quote] = /["']/.exec(text) ?? [];
      if (quote === undefined) continue;
      const message = `sealer v0.8 would drop the quotes (${quote}) of this RUN`;
      yield { message, position: placeOf(input.source, instruction.range, quote) };
    }
  },
};

export const sealerWipesVariable: Rule = {
  name: 'SealerWipesVariable',
  about: 'sealer v0.8 replaces variables of RUN that are no ARG by nothing',
  when: 'check',
  *find(input) {
    for (const { instruction, text, declared } of runs(input)) {
      const wiped = new Set(
        Array.from(
          text.matchAll(/(?<!\\)\$(?:\{(\w+)|(\w+|[$@*#?!-]))/g),
          ([, braced, plain]) => braced ?? plain ?? '',
        ),
      );
      for (const name of wiped) {
        if (declared.has(name)) continue;
        const message = `sealer v0.8 would replace $${name} by nothing: it is no ARG`;
        yield { message, position: placeOf(input.source, instruction.range, `$${name}`) };
      }
    }
  },
};

export const sealerSplitsCommand: Rule = {
  name: 'SealerSplitsCommand',
  about: 'sealer v0.8 cuts CMD at every comma, also in JSON and in quotes',
  when: 'check',
  *find(input) {
    if (input.kubefile.dialect !== 'kubefile-v1') return;
    for (const { instruction } of stepsOf(input)) {
      if (instruction.keyword !== 'CMD') continue;
      const { command, range } = instruction;
      const pieces =
        command.form === 'exec'
          ? 'the JSON of this CMD into pieces'
          : /"[^"]*,[^"]*"|'[^']*,[^']*'/.test(command.text)
            ? 'this CMD within its quotes'
            : undefined;
      if (pieces !== undefined)
        yield { message: `sealer v0.8 would cut ${pieces}, at the commas`, position: range.start };
    }
  },
};

export const sealerIgnoresWords: Rule = {
  name: 'SealerIgnoresWords',
  about: 'sealer v0.11 reads two words of COPY, and no flags',
  when: 'check',
  *find({ kubefile, stages, source }) {
    if (kubefile.dialect !== 'kubefile-v2') return;
    for (const { instruction } of stages.flatMap(({ steps }) => steps)) {
      if (instruction.keyword !== 'COPY') continue;
      const { start } = instruction.range;
      if (instruction.sources.length > 1) {
        const message = 'sealer v0.11 would take the second word as destination and ignore the others';
        yield { message, position: start };
      }
      const flag = /\s(--[\w-]+)/.exec(instruction.source)?.[1];
      if (flag === undefined) continue;
      yield {
        message: `sealer v0.11 would drop ${flag}`,
        position: placeOf(source, instruction.range, flag),
      };
    }
  },
};

/** Each line that the other reading of a Kubefile would place elsewhere. */
export const copyPlacedByDialect: Rule = {
  name: 'CopyPlacedByDialect',
  about:
    'kubefile/v1 puts every source into its destination by name (or in its place, by the same name), Docker and kubefile/v2 do not',
  when: 'check',
  *find(input) {
    const { kubefile, stages, source } = input;
    if (kubefile.dialect === 'dockerfile') return;
    const other = kubefile.dialect === 'kubefile-v1' ? 'kubefile/v2 and Docker' : 'kubefile/v1';
    const known = firstSourceFacts(input);
    for (const { instruction } of stages.flatMap(({ steps }) => steps)) {
      if (instruction.keyword !== 'COPY') continue;
      const placed = otherPlacement(instruction, known.get(instruction), kubefile.dialect);
      if (placed === undefined) continue;
      const position = placeOf(source, instruction.range, instruction.destination);
      yield { message: `${other} would make this ${placed}`, position };
    }
  },
};

function otherPlacement(
  { sources, destination, flags }: CopyInstruction,
  facts: SourceFacts | undefined,
  dialect: string,
): string | undefined {
  const [only] = sources;
  if (only?.kind !== 'word' || sources.length > 1 || flags.from !== undefined) return undefined;
  const { word } = only;
  const name = baseName(word);
  const kind = facts?.kind;
  const into = destination.replace(/\/$/, '');
  // `COPY . .`, and a source that keeps its name, are the same in both.
  if (isSpreadWord(word)) return undefined;
  if (name === baseName(destination)) {
    // but for a file whose name Docker takes for a directory's because of the slash
    if (kind !== 'file' || into === destination) return undefined;
    return dialect === 'kubefile-v1' ? `${into}/${name}` : `the file ${into}`;
  }
  if (kind === 'directory')
    return dialect === 'kubefile-v1' ? `the contents of ${word} in ${into}` : `${into}/${name}`;
  if (kind === 'missing' || kind === 'excluded' || kind === 'several') return undefined;
  if (/(?:^|\/)\.{0,2}$/.test(destination)) return undefined; // a file into a directory
  return dialect === 'kubefile-v1' ? `the file ${into}` : `${into}/${name}`;
}
