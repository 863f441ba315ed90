/** The source words of COPY and ADD that select from the build context, expanded for a platform. */
import type { CopyInstruction, Kubefile } from '../instruction.ts';
import type { LintInput, SourceFacts } from './rule.ts';
import { expandOr } from './stage-walk.ts';

interface ContextSource {
  readonly instruction: CopyInstruction;
  readonly written: string;
  readonly word: string;
}

export function contextSources(
  kubefile: Kubefile,
  { platform, stages }: LintInput['byPlatform'][number],
): ContextSource[] {
  return stages.flatMap(({ steps }) =>
    steps.flatMap(({ instruction, variables }) => {
      if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return [];
      if (instruction.flags.from !== undefined) return [];
      const hasArch = kubefile.dialect === 'dockerfile' || variables.has('ARCH');
      const scope = hasArch ? variables : new Map([...variables, ['ARCH', platform.architecture]]);
      return instruction.sources.flatMap((source) => {
        if (source.kind !== 'word') return [];
        const word = expandOr(source.word, scope, kubefile);
        return isRemote(word) ? [] : [{ instruction, written: source.word, word }];
      });
    }),
  );
}

/** What is known of each instruction's first source. */
export function firstSourceFacts({
  kubefile,
  byPlatform,
  facts,
}: LintInput): Map<CopyInstruction, SourceFacts> {
  const [first] = byPlatform;
  const sources = first === undefined ? [] : contextSources(kubefile, first);
  const known = sources.flatMap(({ instruction, word }) => {
    const found = facts.sources.get(word);
    return found === undefined ? [] : [[instruction, found] as const];
  });
  return new Map(known.reverse()); // the first one stays
}

const isRemote = (word: string): boolean => /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i.test(word);
