/** COPY and ADD: what they select and where it lands. */
import type { CopyInstruction } from '../instruction.ts';
import { placeOf } from '../source-text.ts';
import { contextSources, firstSourceFacts } from './context-sources.ts';
import type { LintInput, LintStage, Remark, Rule, SourceFacts } from './rule.ts';
import { expandOr } from './stage-walk.ts';

export const copyIgnoredFile: Rule = {
  name: 'CopyIgnoredFile',
  about: 'The ignore file excludes what COPY or ADD names',
  when: 'check',
  *find({ byPlatform, facts, kubefile, source }) {
    const [first] = byPlatform;
    for (const { instruction, word, written } of first === undefined ? [] : contextSources(kubefile, first)) {
      if (facts.sources.get(word)?.kind !== 'excluded') continue;
      const message = `the ignore file excludes ${word} from the context`;
      yield { message, position: placeOf(source, instruction.range, written) };
    }
  },
};

export const foreignProgramCopied: Rule = {
  name: 'ForeignProgramCopied',
  about: 'A program of the context is for another machine than the platform it is copied for',
  when: 'check',
  find: foreignPrograms,
};

function* foreignPrograms({ byPlatform, facts, kubefile, source }: LintInput): Iterable<Remark> {
  const seen = new Set<string>();
  for (const built of byPlatform) {
    const { platform } = built;
    // A stage with a platform of its own is not for the target.
    const stages = built.stages.filter(({ stage }) => stage.from.platform === undefined);
    for (const { instruction, word, written } of contextSources(kubefile, { ...built, stages })) {
      const { programs = [] } = facts.sources.get(word) ?? {};
      for (const { path, architectures } of programs) {
        const position = placeOf(source, instruction.range, written);
        const key = `${position.line}:${position.column} ${path} ${platform.name}`;
        if (architectures.includes(platform.architecture) || seen.has(key)) continue;
        seen.add(key);
        const machine = architectures.join(' or ') || 'an unknown machine';
        yield {
          message: `${path} is a program for ${machine}, and is copied for ${platform.name}`,
          position,
        };
      }
    }
  }
}

export const destinationBecomesFile: Rule = {
  name: 'DestinationBecomesFile',
  about: 'A destination without slash at its end becomes a file where a directory is meant',
  when: 'check',
  *find(input) {
    // In kubefile/v1 a destination is always a directory.
    if (input.kubefile.dialect === 'kubefile-v1') return;
    for (const stage of input.stages) yield* fileDestinations(input, stage);
  },
};

function* fileDestinations(input: LintInput, { steps }: LintStage): Iterable<Remark> {
  const { kubefile, source } = input;
  const known = firstSourceFacts(input);
  const copies = steps.flatMap(({ instruction, variables }) =>
    instruction.keyword === 'COPY' || instruction.keyword === 'ADD'
      ? [{ instruction, destination: expandOr(instruction.destination, variables, kubefile) }]
      : [],
  );
  for (const { instruction, destination } of copies) {
    if (isDirectoryName(destination)) continue;
    const position = placeOf(source, instruction.range, instruction.destination);
    const hint = `write ${destination}/ to mean a directory`;
    if (instruction.sources.length > 1) {
      yield { message: `several sources go to ${destination}: ${hint}`, position };
      continue;
    }
    const below = copies.find(({ destination: other }) => other.startsWith(`${destination}/`));
    if (below === undefined || !isFile(instruction, known.get(instruction))) continue;
    const line = below.instruction.range.start.line;
    yield { message: `${destination} becomes a file, but line ${line} copies into it: ${hint}`, position };
  }
}

const isDirectoryName = (path: string): boolean => /(?:^|\/)\.{0,2}$/.test(path);

/** An inline file is one; a word is one when the context says so. */
function isFile({ sources: [only] }: CopyInstruction, facts: SourceFacts | undefined): boolean {
  return only?.kind === 'heredoc' || facts?.kind === 'file';
}
