/** Instructions → stages, and what can only be said about the file as a whole. */
import { ArchBuildError } from '../errors.ts';
import { checkLaunch } from './cluster-instructions.ts';
import { DIALECTS } from './dialect.ts';
import type { ArgInstruction, Dialect, Instruction, Stage } from './instruction.ts';
import { errorAt, type SourceText } from './source-text.ts';

export interface Grouped {
  readonly globalArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}

type StageInstruction = Stage['instructions'][number];

/** Beyond what anybody writes; looking up a stage may then be a walk over all. */
const MAX_STAGES = 1000;

/**
 * Throws KUBEFILE_SYNTAX for an instruction before the first FROM. In kubefile/v1 ARG and CMD may stand there and
 * belong to its only stage, ARG to both places.
 */
export function groupStages(
  source: SourceText,
  dialect: Dialect,
  instructions: readonly Instruction[],
): Grouped {
  const { classic } = DIALECTS[dialect];
  const globalArgs: ArgInstruction[] = [];
  const preamble: StageInstruction[] = [];
  const stages: (Stage & { readonly instructions: StageInstruction[] })[] = [];
  for (const instruction of instructions) {
    const current = stages.at(-1);
    if (instruction.keyword === 'FROM') {
      if (stages.length === MAX_STAGES) {
        throw errorAt(source, instruction.range.start, { message: `more than ${MAX_STAGES} stages` });
      }
      const name = instruction.alias?.toLowerCase();
      const taken = stages.length === 0 ? preamble : [];
      const stage = { index: stages.length, from: instruction, instructions: taken };
      stages.push(name === undefined ? stage : { ...stage, name });
    } else if (current !== undefined) {
      current.instructions.push(instruction);
    } else if (instruction.keyword === 'ARG' || (classic && instruction.keyword === 'CMD')) {
      if (instruction.keyword === 'ARG') globalArgs.push(instruction);
      if (classic) preamble.push(instruction);
    } else {
      const message = `${instruction.keyword} stands before the first FROM: no build stage in current context`;
      throw errorAt(source, instruction.range.start, {
        message,
        hint: 'Start with FROM; only ARG may come before it',
      });
    }
  }
  if (stages.length === 0) throw withoutStage(source, instructions);
  for (const stage of stages) checkLaunch(source, stage);
  return { globalArgs, stages };
}

function withoutStage(source: SourceText, instructions: readonly Instruction[]): ArchBuildError {
  const message = instructions.length === 0 ? 'file with no instructions' : 'file with no FROM';
  const line = Math.max(1, source.lines.length);
  return errorAt(source, { line, column: 1 }, { message, hint: 'Name the image to start from: FROM IMAGE' });
}
