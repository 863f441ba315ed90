/** What arch-build says is wrong, in the words buildah has for the same. Without a phrase its own words are repeated. */

const PHRASES = [
  [/cannot read (\S+): ENOTDIR/, (path) => `open ${path}: not a directory`],
  [/cannot read (\S+): ENOENT/, (path) => `open ${path}: no such file or directory`],
  [/--network is .*, not "(.*)"/, (mode) => `unsupported value ${JSON.stringify(mode)} for --network`],
  [/: not found$/m, () => 'no such file or directory'],
];

/** Of an error: the last word of buildah's line. */
export function phraseOf(text) {
  for (const [pattern, phrase] of PHRASES) {
    const match = pattern.exec(text);
    if (match !== null) return phrase(...match.slice(1));
  }
  return text.split('\n').find((line) => line.startsWith('error')) ?? text;
}

const WARNINGS = [];

/** A line to say after a warning of ours, or nothing. */
export function warningOf(text) {
  for (const [pattern, phrase] of WARNINGS) {
    const match = pattern.exec(text);
    if (match !== null) return `${phrase(...match.slice(1))}\n`;
  }
  return '';
}
