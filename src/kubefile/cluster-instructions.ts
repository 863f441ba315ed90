/** sealer's own instructions: their operands, and where in a stage they may stand. */
import type { Arguments } from './arguments.ts';
import type {
  AppCommandsInstruction,
  AppEnvInstruction,
  AppInstruction,
  KeyValue,
  Stage,
} from './instruction.ts';
import { errorAt, type SourceText } from './source-text.ts';
import { statementError, type Statement } from './statement.ts';
import type { Word } from './command-line.ts';

/** It becomes a directory of the image and part of a label. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const LOCAL = 'local://';

/** APP, CNI, CSI: a name, and at least one source with its scheme. */
export function readApp(statement: Statement): Pick<AppInstruction, 'name' | 'sources'> {
  const words = statement.arguments.form === 'words' ? statement.arguments.words : [];
  const [name, ...sources] = words;
  if (name === undefined || sources.length === 0) {
    throw statementError(statement, statement.command.keyword.offset, {
      message: `${statement.keyword} requires a name and at least one source`,
      hint: `Write ${statement.keyword} NAME local://PATH`,
    });
  }
  return { name: readName(statement, name), sources: sources.map((word) => readSource(statement, word)) };
}

function readSource(statement: Statement, { text, offset }: Word): AppInstruction['sources'][number] {
  if (/^https?:\/\/./.test(text)) return { kind: 'remote', word: text };
  if (text.startsWith(LOCAL) && text.length > LOCAL.length)
    return { kind: 'local', word: text.slice(LOCAL.length) };
  throw statementError(statement, offset, {
    message: `source "${text}" of ${statement.keyword} has no scheme`,
    hint: 'Write local://PATH for a file of the context, else http:// or https://',
  });
}

function readName(statement: Statement, { text, offset }: Word): string {
  if (NAME.test(text)) return text;
  throw statementError(statement, offset, {
    message: `invalid application name "${text}"`,
    hint: 'Start it with a letter or digit; letters, digits, dots, dashes and underscores may follow',
  });
}

export function readAppCommands(statement: Statement): Pick<AppCommandsInstruction, 'name' | 'commands'> {
  const { name, rest } = readNamed(statement);
  return { name, commands: jsonWords(statement, rest, `${statement.keyword} ${name}`) };
}

export function readAppEnv(
  statement: Statement,
  readPairs: (statement: Statement, cut: Arguments) => KeyValue[],
): Pick<AppEnvInstruction, 'name' | 'pairs'> {
  const { name, rest } = readNamed(statement);
  return { name, pairs: readPairs(statement, rest) };
}

/** CMDS. */
export const readCommands = (statement: Statement): string[] =>
  jsonWords(statement, statement.arguments, statement.keyword);

function readNamed(statement: Statement): { name: string; rest: Arguments } {
  const cut = statement.arguments;
  if (cut.form === 'check' && cut.type.text !== '')
    return { name: readName(statement, cut.type), rest: cut.command };
  const { offset } = statement.command.keyword;
  throw statementError(statement, offset, {
    message: `${statement.keyword} requires the name of an application`,
  });
}

function jsonWords(statement: Statement, cut: Arguments, before: string): string[] {
  if (cut.form === 'json' && cut.words.length > 0) return cut.words.map(({ text }) => text);
  throw statementError(statement, statement.command.keyword.offset, {
    message: `${statement.keyword} requires its commands in JSON form`,
    hint: `Write ${before} ["COMMAND", "COMMAND"]`,
  });
}

/**
 * LAUNCH and CMDS stand once, at the end, and without each other; LAUNCH stands without CMD. Throws KUBEFILE_SYNTAX
 * at the instruction that is too many.
 */
export function checkLaunch(source: SourceText, { instructions }: Stage): void {
  const launches = instructions.filter(({ keyword }) => keyword === 'LAUNCH' || keyword === 'CMDS');
  const [first, second] = launches;
  if (first === undefined) return;
  const refuse = (message: string, hint: string, { range } = first): Error =>
    errorAt(source, range.start, { message, hint });
  if (second !== undefined) {
    const message =
      second.keyword === first.keyword
        ? `${second.keyword} is there twice`
        : `${second.keyword} and ${first.keyword} exclude each other`;
    throw refuse(message, 'Say once what a cluster starts', second);
  }
  const command = instructions.find(({ keyword }) => keyword === 'CMD');
  if (command !== undefined && first.keyword === 'LAUNCH')
    throw refuse('LAUNCH and CMD exclude each other', 'CMD is the older form: leave it out');
  if (instructions.at(-1) !== first)
    throw refuse(`${first.keyword} is not the last instruction of its stage`, 'Put it at the end');
}
