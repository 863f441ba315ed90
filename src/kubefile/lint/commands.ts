/** CMD, ENTRYPOINT and HEALTHCHECK of an image. In a Kubefile CMD is a command of the cluster: other rules hold. */
import type { LintStage, Rule, StageInstruction } from './rule.ts';

export const jsonArgsRecommended: Rule = {
  name: 'JSONArgsRecommended',
  about: 'The JSON form of CMD and ENTRYPOINT lets signals reach the program instead of a shell',
  when: 'build',
  *find({ kubefile, stages }) {
    if (kubefile.dialect !== 'dockerfile') return;
    for (const stage of stages) {
      // Whoever chooses a shell wants one.
      let shell = stage.parent !== undefined && choosesShell(stage.parent);
      for (const instruction of stage.stage.instructions) {
        const { keyword, range } = instruction;
        if (keyword === 'SHELL') shell = true;
        const isCommand = keyword === 'CMD' || keyword === 'ENTRYPOINT';
        if (!isCommand || shell || instruction.command.form !== 'shell') continue;
        const message = `${keyword} in JSON form would let signals reach the program instead of a shell`;
        yield { message, position: range.start };
      }
    }
  },
};

function choosesShell({ stage, parent }: LintStage): boolean {
  if (stage.instructions.some(({ keyword }) => keyword === 'SHELL')) return true;
  return parent !== undefined && choosesShell(parent);
}

const LAST_ONE_COUNTS = ['CMD', 'ENTRYPOINT', 'HEALTHCHECK'] as const;

export const multipleInstructionsDisallowed: Rule = {
  name: 'MultipleInstructionsDisallowed',
  about: 'Only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage count',
  when: 'build',
  *find({ kubefile }) {
    const keywords = LAST_ONE_COUNTS.filter(
      (keyword) => kubefile.dialect === 'dockerfile' || keyword !== 'CMD',
    );
    for (const { instructions } of kubefile.stages) {
      for (const keyword of keywords) {
        for (const { range } of overruled(instructions, keyword)) {
          const message = `this ${keyword} does nothing: only the last ${keyword} of a stage counts`;
          yield { message, position: range.start };
        }
      }
    }
  },
};

const overruled = (instructions: readonly StageInstruction[], wanted: string): StageInstruction[] =>
  instructions.filter(({ keyword }) => keyword === wanted).slice(0, -1);
