/** The front end: text → Kubefile. */
import { splitBlanks, type CommandLine } from './command-line.ts';
import { detectDialect, syntaxDialect, type Usage } from './dialect.ts';
import { readDirectives } from './directives.ts';
import type { Dialect, Instruction, Kubefile, Stage } from './instruction.ts';
import { buildInstruction } from './instructions.ts';
import { positionAt, readLogicalLines, type LogicalLine } from './logical-lines.ts';
import { refuseTrigger } from './onbuild-instruction.ts';
import { errorAt, readSource } from './source-text.ts';
import { groupStages } from './stages.ts';
import { readStatement, splitLine, type FileContext, type Statement } from './statement.ts';

export interface ParseOptions {
  /** As shown in messages; with dialect `auto` its name is one of the things that decide. */
  readonly file: string;
  readonly dialect?: 'auto' | Dialect;
}

/** Throws KUBEFILE_SYNTAX, and KUBEFILE_SEMANTICS for what is understood but not supported; always with a location. */
export function parseKubefile(text: string, { file, dialect: wanted = 'auto' }: ParseOptions): Kubefile {
  const source = readSource(text, file);
  const { escape, syntax, check } = readDirectives(source);
  const lines = [...readLogicalLines(source, escape)].map((line) => ({
    line,
    command: splitLine(source, line),
  }));
  const chosen = syntax === undefined ? undefined : syntaxDialect(syntax);
  const dialect = wanted === 'auto' ? (chosen ?? detectDialect(file, lines.map(usageOf))) : wanted;
  const context: FileContext = { source, escape, dialect };
  const instructions: Instruction[] = [];
  for (const { line, command } of lines) {
    const statement = readStatement(context, line, command);
    instructions.push(buildInstruction(statement));
  }
  const grouped = groupStages(source, dialect, instructions);
  return {
    file,
    text,
    dialect,
    escape,
    ...(check === undefined ? {} : { check }),
    globalArgs: grouped.globalArgs,
    stages: grouped.stages,
  };
}

/** The statements of a Kubefile that was read before, in file order: what a look at its spelling needs. */
export function statementsOf({ file, text, escape, dialect }: Kubefile): Statement[] {
  const source = readSource(text, file);
  const context: FileContext = { source, escape, dialect };
  return [...readLogicalLines(source, escape)].map((line) =>
    readStatement(context, line, splitLine(source, line)),
  );
}

/**
 * An ONBUILD trigger out of an image config; `file` says whose it is. Throws KUBEFILE_SYNTAX when it is not one
 * instruction, or one that cannot be a trigger.
 */
export function parseTrigger(text: string, file: string): Stage['instructions'][number] {
  const source = readSource(text, file);
  const context: FileContext = { source, escape: '\\', dialect: 'dockerfile' };
  const [line, second] = readLogicalLines(source, context.escape);
  if (line === undefined) throw errorAt(source, { line: 1, column: 1 }, { message: 'empty ONBUILD trigger' });
  if (second !== undefined) {
    throw errorAt(source, positionAt(second, 0), { message: 'ONBUILD trigger of more than one instruction' });
  }
  const command = splitLine(source, line);
  refuseTrigger({ context, line }, command.keyword.text, command.keyword.offset);
  const instruction = buildInstruction(readStatement(context, line, command));
  if (instruction.keyword === 'FROM') throw new TypeError('FROM was refused above');
  return instruction;
}

function usageOf({ line, command }: { line: LogicalLine; command: CommandLine }): Usage {
  return {
    keyword: command.keyword.text.toUpperCase(),
    hasFlags: command.flags.length > 0,
    hasHeredocs: line.heredocs.length > 0,
    words: splitBlanks(command.rest).length,
  };
}
