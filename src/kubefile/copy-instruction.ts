/** COPY and ADD: sources, inline files, destination. */
import type { Word } from './command-line.ts';
import { DIALECTS } from './dialect.ts';
import type { FlagValues } from './flags.ts';
import { parseHeredocMarker } from './heredoc.ts';
import type { CopyFlags, CopyInstruction, CopySource, Heredoc } from './instruction.ts';
import { statementError, type Statement } from './statement.ts';

type Copy = Pick<CopyInstruction, 'flags' | 'sources' | 'destination'>;

export function readCopy(statement: Statement, flags: FlagValues): Copy {
  const { keyword, arguments: cut } = statement;
  const words = [...(cut.form === 'words' || cut.form === 'json' ? cut.words : [])];
  const destination = (isClassic(statement) ? takeClassic(statement, words) : words).pop();
  const [first] = words;
  if (destination === undefined || first === undefined) {
    const at = destination?.offset ?? statement.command.keyword.offset;
    throw statementError(statement, at, {
      message: `${keyword} requires at least one source and a destination`,
    });
  }
  if (cut.form === 'words' && parseHeredocMarker(destination.text) !== undefined) {
    const message = `${keyword} cannot have a here-document as destination`;
    throw statementError(statement, destination.offset, {
      message,
      hint: 'Put the name of the file behind it',
    });
  }
  return {
    flags: readCopyFlags(flags),
    sources: cut.form === 'json' ? words.map(asWord) : readSources(statement, words),
    destination: destination.text,
  };
}

function readCopyFlags(flags: FlagValues): CopyFlags {
  const optional = (name: 'from' | 'chown' | 'chmod' | 'checksum'): { readonly [key: string]: string } => {
    const value = flags.text(name);
    return value === undefined ? {} : { [name]: value };
  };
  const keepGitDir = flags.switch('keep-git-dir');
  const unpack = flags.switch('unpack');
  return {
    ...optional('from'),
    ...optional('chown'),
    ...optional('chmod'),
    ...optional('checksum'),
    link: flags.switch('link') ?? false,
    parents: flags.switch('parents') ?? false,
    exclude: flags.list('exclude'),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function readSources(statement: Statement, words: readonly Word[]): CopySource[] {
  const bodies = new Map<string, Heredoc>(statement.line.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources = words.map((word): CopySource => {
    const marker = parseHeredocMarker(word.text);
    const heredoc = marker === undefined ? undefined : bodies.get(marker.name);
    return heredoc === undefined ? asWord(word) : { kind: 'heredoc', heredoc };
  });
  if (sources.filter(({ kind }) => kind === 'heredoc').length === statement.line.heredocs.length)
    return sources;
  const at = words.find(({ text }) => text.includes('<<'))?.offset ?? statement.command.rest.offset;
  const message = `the name of a here-document of ${statement.keyword} cannot contain blanks`;
  throw statementError(statement, at, { message });
}

const asWord = ({ text }: Word): CopySource => ({ kind: 'word', word: text });

const isClassic = ({ context, arguments: cut }: Statement): boolean =>
  DIALECTS[context.dialect].classic && cut.form === 'words';

/** kubefile/v1 reads two words and nothing behind them; only what looks like a comment may be lost. */
function takeClassic(statement: Statement, words: Word[]): Word[] {
  const [, , third] = words;
  if (third !== undefined && !third.text.startsWith('#')) {
    const message = 'COPY of kubefile/v1 has one source and one destination';
    const hint = 'Write one COPY for each source, or make # syntax=kubefile/v2 the first line of the file';
    throw statementError(statement, third.offset, { message, hint });
  }
  words.splice(2);
  return words;
}
