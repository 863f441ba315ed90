/** Statement → instruction, one row per keyword. Words stay unexpanded; see instruction.ts. */
import { trim } from './characters.ts';
import { readCommand } from './command-form.ts';
import type { Word } from './command-line.ts';
import { readCopy } from './copy-instruction.ts';
import { readApp, readAppCommands, readAppEnv, readCommands } from './cluster-instructions.ts';
import { DIALECTS } from './dialect.ts';
import { readFlags, type FlagValues } from './flags.ts';
import { readFrom } from './from-instruction.ts';
import { readHealthcheck } from './healthcheck-instruction.ts';
import type { Instruction, Keyword, KeyValue } from './instruction.ts';
import { readOnbuild } from './onbuild-instruction.ts';
import { readRun } from './run-instruction.ts';
import { rangeOf, statementError, type Statement } from './statement.ts';

/** What every instruction has. */
interface Base {
  readonly range: Instruction['range'];
  readonly source: string;
}

type Build = (statement: Statement, base: Base, flags: FlagValues) => Instruction;

const BUILDERS: Record<Keyword, Build> = {
  APP: (statement, base) => ({ ...base, keyword: 'APP', ...readApp(statement) }),
  APPCMDS: (statement, base) => ({ ...base, keyword: 'APPCMDS', ...readAppCommands(statement) }),
  APPENV: (statement, base) => ({ ...base, keyword: 'APPENV', ...readAppEnv(statement, readPairs) }),
  CMDS: (statement, base) => ({ ...base, keyword: 'CMDS', words: readCommands(statement) }),
  CNI: (statement, base) => ({ ...base, keyword: 'CNI', ...readApp(statement) }),
  CSI: (statement, base) => ({ ...base, keyword: 'CSI', ...readApp(statement) }),
  KUBEVERSION: (statement, base) => ({ ...base, keyword: 'KUBEVERSION', word: readText(statement) }),
  LAUNCH: (statement, base) => ({ ...base, keyword: 'LAUNCH', words: readWords(statement) }),
  ADD: (statement, base, flags) => ({ ...base, keyword: 'ADD', ...readCopy(statement, flags) }),
  ARG: (statement, base) => ({ ...base, keyword: 'ARG', args: readArgs(statement) }),
  CMD: (statement, base) => ({ ...base, keyword: 'CMD', command: readCommand(statement.arguments) }),
  COPY: (statement, base, flags) => ({ ...base, keyword: 'COPY', ...readCopy(statement, flags) }),
  ENTRYPOINT: (statement, base) => ({
    ...base,
    keyword: 'ENTRYPOINT',
    command: readCommand(statement.arguments),
  }),
  ENV: (statement, base) => ({ ...base, keyword: 'ENV', pairs: readPairs(statement) }),
  EXPOSE: (statement, base) => ({ ...base, keyword: 'EXPOSE', words: readWords(statement) }),
  FROM: (statement, base, flags) => ({ ...base, keyword: 'FROM', ...readFrom(statement, flags) }),
  HEALTHCHECK: (statement, base, flags) => ({
    ...base,
    keyword: 'HEALTHCHECK',
    ...readHealthcheck(statement, flags),
  }),
  LABEL: (statement, base) => ({ ...base, keyword: 'LABEL', pairs: readPairs(statement) }),
  MAINTAINER: (statement, base) => ({ ...base, keyword: 'MAINTAINER', word: readText(statement) }),
  ONBUILD: (statement, base) => ({
    ...base,
    keyword: 'ONBUILD',
    trigger: readOnbuild(statement, buildInstruction),
  }),
  RUN: (statement, base, flags) => ({ ...base, keyword: 'RUN', ...readRun(statement, flags) }),
  SHELL: (statement, base) => ({ ...base, keyword: 'SHELL', words: readShell(statement) }),
  STOPSIGNAL: (statement, base) => ({ ...base, keyword: 'STOPSIGNAL', word: readText(statement) }),
  USER: (statement, base) => ({ ...base, keyword: 'USER', word: readText(statement) }),
  VOLUME: (statement, base) => ({ ...base, keyword: 'VOLUME', words: readVolumes(statement) }),
  WORKDIR: (statement, base) => ({ ...base, keyword: 'WORKDIR', word: readText(statement) }),
};

/** Throws KUBEFILE_SYNTAX with the place of the word that is wrong. */
export function buildInstruction(statement: Statement): Instruction {
  const base = { range: rangeOf(statement), source: trim(statement.line.text) };
  return BUILDERS[statement.keyword](statement, base, readFlags(statement));
}

function readText(statement: Statement): string {
  const cut = statement.arguments;
  if (cut.form === 'text' && cut.text.text !== '') return cut.text.text;
  throw missing(statement, 'exactly one argument');
}

function readWords(statement: Statement): string[] {
  const cut = statement.arguments;
  const words = cut.form === 'words' || cut.form === 'json' ? cut.words.map(({ text }) => text) : [];
  if (words.length === 0) throw missing(statement, 'at least one argument');
  return words;
}

function readVolumes(statement: Statement): string[] {
  const words = readWords(statement).map(trim);
  if (words.includes('')) {
    throw statementError(statement, statement.command.rest.offset, {
      message: 'VOLUME cannot be an empty string',
    });
  }
  return words;
}

function readShell(statement: Statement): string[] {
  const { rest } = statement.command;
  if (rest.text === '') throw missing(statement, 'at least one argument');
  if (statement.arguments.form !== 'json') {
    const message = 'SHELL requires the arguments to be in JSON form';
    throw statementError(statement, rest.offset, { message, hint: 'Write SHELL ["/bin/sh", "-c"]' });
  }
  return readWords(statement);
}

function readPairs(statement: Statement, cut = statement.arguments): KeyValue[] {
  const pairs = cut.form === 'pairs' ? cut.pairs : [];
  if (pairs.length === 0) throw missing(statement, 'at least one argument');
  return pairs.map(({ key, value, offset }) => {
    if (key === '')
      throw statementError(statement, offset, { message: `${statement.keyword} names can not be blank` });
    return { key, value };
  });
}

function readArgs(statement: Statement): { key: string; value?: string }[] {
  const words = statement.arguments.form === 'words' ? statement.arguments.words : [];
  if (words.length === 0) throw missing(statement, 'at least one argument');
  const { classic } = DIALECTS[statement.context.dialect];
  return words
    .flatMap((word) => (classic ? splitCommas(word) : [word]))
    .map(({ text, offset }) => {
      const equals = text.indexOf('=');
      if (equals === 0) throw statementError(statement, offset, { message: 'ARG names can not be blank' });
      return equals < 0 ? { key: text } : { key: text.slice(0, equals), value: text.slice(equals + 1) };
    });
}

/** kubefile/v1: `a=1,b=2` is two ARGs. A comma with no `name=` behind it belongs to the value. */
function splitCommas({ text, offset }: Word): Word[] {
  const words: Word[] = [];
  let start = 0;
  for (const { index } of text.matchAll(/,(?=\w+=)/g)) {
    words.push({ text: text.slice(start, index), offset: offset + start });
    start = index + 1;
  }
  return [...words, { text: text.slice(start), offset: offset + start }];
}

function missing(statement: Statement, what: string): Error {
  const { keyword, offset } = { keyword: statement.keyword, offset: statement.command.keyword.offset };
  return statementError(statement, offset, { message: `${keyword} requires ${what}` });
}
