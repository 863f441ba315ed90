/** How keywords and stage names are spelt. */
import type { LintInput, Remark, Rule } from './rule.ts';

/** `FROM` is upper, `from` is lower, `From` is neither. */
const caseOf = (word: string): 'lower' | 'upper' | 'mixed' =>
  word === word.toLowerCase() ? 'lower' : word === word.toUpperCase() ? 'upper' : 'mixed';

export const stageNameCasing: Rule = {
  name: 'StageNameCasing',
  about: 'Stage names are compared without case and should be lower case',
  when: 'build',
  *find({ kubefile }) {
    for (const { from } of kubefile.stages) {
      if (from.alias === undefined || caseOf(from.alias) === 'lower') continue;
      yield { message: `stage name "${from.alias}" should be lower case`, position: from.range.start };
    }
  },
};

export const fromAsCasing: Rule = {
  name: 'FromAsCasing',
  about: 'AS should have the case of its FROM',
  when: 'build',
  *find({ kubefile, statementOf }) {
    for (const { from } of kubefile.stages) {
      const statement = statementOf(from);
      const words = statement?.arguments.form === 'words' ? statement.arguments.words : [];
      const [keyword, as] = [statement?.command.keyword.text, words[1]?.text];
      if (keyword === undefined || as === undefined) continue;
      const wanted = caseOf(keyword);
      if (wanted === 'mixed' || caseOf(as) === wanted) continue;
      yield { message: `"${as}" should be written in the case of "${keyword}"`, position: from.range.start };
    }
  },
};

export const consistentInstructionCasing: Rule = {
  name: 'ConsistentInstructionCasing',
  about: 'All instructions should be written in one case, the one that most of them have',
  when: 'build',
  find: miscased,
};

function* miscased({ kubefile, statementOf }: LintInput): Iterable<Remark> {
  const written = kubefile.stages
    .flatMap(({ from, instructions }) => [from, ...instructions])
    .map((instruction) => ({
      keyword: statementOf(instruction)?.command.keyword.text ?? instruction.keyword,
      position: instruction.range.start,
    }));
  const count = (wanted: string): number =>
    written.filter(({ keyword }) => caseOf(keyword) === wanted).length;
  const majority = count('lower') > count('upper') ? 'lower' : 'upper';
  for (const { keyword, position } of written) {
    if (caseOf(keyword) === majority) continue;
    yield { message: `"${keyword}" should be ${majority} case, as most instructions are`, position };
  }
}
