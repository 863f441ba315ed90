/** How the text behind each keyword is cut into arguments, before anybody asks what they mean. */
import { isSpace, leadingSpace } from './characters.ts';
import { splitBlanks, splitCommandLine, type CommandLine, type Word } from './command-line.ts';
import type { Keyword } from './instruction.ts';
import { parseJsonForm } from './json-form.ts';
import { splitPairs, splitQuoted, type PairWord } from './words.ts';

export type Arguments =
  | { readonly form: 'words'; readonly words: readonly Word[] }
  | { readonly form: 'json'; readonly words: readonly Word[] }
  /** The whole rest as one; empty when there is nothing. */
  | { readonly form: 'text'; readonly text: Word }
  | { readonly form: 'pairs'; readonly pairs: readonly PairWord[] }
  /** A first word that says what the rest is about: HEALTHCHECK's type, the application of APPCMDS and APPENV. */
  | { readonly form: 'check'; readonly type: Word; readonly command: Arguments }
  /** ONBUILD. */
  | { readonly form: 'trigger'; readonly trigger: CommandLine };

/** `keyword` is for messages. */
type Cut = (rest: Word, context: { keyword: string; escape: string }) => Arguments;

const text: Cut = (rest) => ({ form: 'text', text: rest });
const words: Cut = (rest) => ({ form: 'words', words: splitBlanks(rest) });
const quotedWords: Cut = (rest, { escape }) => ({ form: 'words', words: splitQuoted(rest, escape) });
const pairs: Cut = (rest, { keyword, escape }) => ({
  form: 'pairs',
  pairs: splitPairs(rest, { command: keyword, escape }),
});
const jsonOrText: Cut = (rest, context) => json(rest) ?? text(rest, context);
const jsonOrWords: Cut = (rest, context) => json(rest) ?? words(rest, context);

const CUTS: Record<Keyword, Cut> = {
  ADD: jsonOrWords,
  APP: words,
  APPCMDS: behindFirstWord(jsonOrText),
  APPENV: behindFirstWord(pairs),
  ARG: quotedWords,
  CMD: jsonOrText,
  CMDS: jsonOrText,
  CNI: words,
  COPY: jsonOrWords,
  CSI: words,
  ENTRYPOINT: jsonOrText,
  ENV: pairs,
  EXPOSE: words,
  FROM: words,
  HEALTHCHECK: behindFirstWord(jsonOrText),
  KUBEVERSION: text,
  LABEL: pairs,
  LAUNCH: jsonOrWords,
  MAINTAINER: text,
  ONBUILD: (rest) => ({ form: 'trigger', trigger: splitCommandLine(rest.text, rest.offset) }),
  RUN: jsonOrText,
  SHELL: jsonOrText,
  STOPSIGNAL: text,
  USER: text,
  VOLUME: jsonOrWords,
  WORKDIR: text,
};

export const isKeyword = (word: string): word is Keyword => Object.hasOwn(CUTS, word);

/** Throws a LineError, as the cutters do. */
export function cutArguments(keyword: Keyword, rest: Word, escape: string): Arguments {
  return CUTS[keyword](rest, { keyword, escape });
}

function behindFirstWord(cut: Cut): Cut {
  return (rest, context) => {
    const end = spaceAt(rest.text);
    const next = end + leadingSpace(rest.text.slice(end));
    const type = { text: rest.text.slice(0, end), offset: rest.offset };
    const command = { text: rest.text.slice(next), offset: rest.offset + next };
    return { form: 'check', type, command: cut(command, context) };
  };
}

/** Where the first blank is, or the end. */
function spaceAt(content: string): number {
  let at = 0;
  while (at < content.length && !isSpace(content.charAt(at))) at++;
  return at;
}

function json(rest: Word): Arguments | undefined {
  const strings = parseJsonForm(rest);
  return strings === undefined
    ? undefined
    : { form: 'json', words: strings.map((string) => ({ text: string, offset: rest.offset })) };
}
