/** Names of stages that do not say which stage is meant. */
import { imageWordsOf } from '../select-stages.ts';
import { placeOf } from '../source-text.ts';
import type { Rule } from './rule.ts';

const RESERVED = ['context', 'scratch'];

export const duplicateStageName: Rule = {
  name: 'DuplicateStageName',
  about: 'Stage names should be unique',
  when: 'build',
  *find({ kubefile }) {
    const seen = new Set<string>();
    for (const { name, from } of kubefile.stages) {
      if (name === undefined) continue;
      if (seen.has(name))
        yield { message: `stage name "${name}" is there twice`, position: from.range.start };
      seen.add(name);
    }
  },
};

export const reservedStageName: Rule = {
  name: 'ReservedStageName',
  about: 'Words with a meaning of their own should not be stage names',
  when: 'build',
  *find({ kubefile }) {
    for (const { name, from } of kubefile.stages) {
      if (name === undefined || !RESERVED.includes(name)) continue;
      yield {
        message: `"${name}" is a reserved word and should not name a stage`,
        position: from.range.start,
      };
    }
  },
};

/** Docker takes the last definition of all, also one that comes later; a build here refuses to guess. */
export const ambiguousStageReference: Rule = {
  name: 'AmbiguousStageReference',
  about: '--from of a name that several stages have is refused: builders differ in which they take',
  when: 'check',
  *find({ kubefile, source }) {
    for (const { instructions } of kubefile.stages) {
      for (const instruction of instructions) {
        for (const name of imageWordsOf(instruction)) {
          const same = kubefile.stages.filter((stage) => stage.name === name.toLowerCase());
          if (same.length < 2) continue;
          const lines = same.map(({ from }) => from.range.start.line).join(' and ');
          yield {
            message: `"${name}" may be any of the stages of lines ${lines}`,
            position: placeOf(source, instruction.range, `from=${name}`),
          };
        }
      }
    }
  },
};
