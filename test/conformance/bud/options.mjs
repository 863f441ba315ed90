/** Command lines as pflag reads them: `--name value`, `--name=value`, `-n value`, `-nvalue`, words between. */
import { fail } from './program.mjs';

/**
 * `options.NAME` lists the values of an option, or is true for a flag. Unknown options go to `unknown` with their
 * value where `=` gives one, when it is there to take them.
 */
export function readOptions(args, { value = [], flag = [] }, { stopAtWord = false, unknown } = {}) {
  const options = {};
  const words = [];
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === '--' && !stopAtWord) return { options, words: [...words, ...rest] };
    if (!word.startsWith('-') || word === '-') {
      words.push(word);
      if (stopAtWord) return { options, words: [...words, ...rest] };
      continue;
    }
    const [, name, given] = /^--?([^=]+)(?:=([^]*))?$/.exec(word) ?? [undefined, word];
    const short = word.startsWith('--') ? undefined : name[0];
    if (flag.includes(name)) options[name] = { undefined: true, true: true, false: false }[given] ?? given;
    else if (value.includes(name))
      (options[name] ??= []).push(given ?? rest.shift() ?? fail(`flag needs an argument: ${word}`));
    else if (short !== undefined && value.includes(short))
      (options[short] ??= []).push(word.slice(2).replace(/^=/, ''));
    else if (short !== undefined && [...name].every((letter) => flag.includes(letter)))
      for (const letter of name) options[letter] = true;
    else if (unknown !== undefined) unknown(word);
    else if (stopAtWord && words.length === 0 && (name === 'version' || name === 'v'))
      return { options, words: ['--version'] };
    else fail(`unknown flag: ${word}`);
  }
  return { options, words };
}
