/**
 * What arch-build says is wrong, in the words buildah has for the same. A phrase is only said behind an error of ours
 * for the same reason; without one our own words are repeated.
 */

const COPY_FLAGS =
  'COPY only supports the --chmod=<permissions> --chown=<uid:gid> --from=<image|stage> and the --exclude=<pattern> flags';
const ADD_FLAGS =
  'ADD only supports the --chmod=<permissions>, --chown=<uid:gid>, and --checksum=<checksum> --exclude=<pattern> flags';

/** Pattern of ours; buildah's words; `alone` without the step, `code` another exit status than 125. */
const PHRASES = [
  { ours: /cannot read (\S+): ENOTDIR/, phrase: (path) => `open ${path}: not a directory` },
  { ours: /cannot read (\S+): ENOENT/, phrase: (path) => `open ${path}: no such file or directory` },
  {
    ours: /cannot read (\S+): EISDIR/,
    phrase: (path) => `containerfile: ${path} cannot be path to a directory`,
  },
  { ours: /--network is .*, not "(.*)"/, phrase: (mode) => `unsupported value ${JSON.stringify(mode)}` },
  {
    ours: /"(.*)": not found\n(?:.*\n)*hint: the file exists, but (\S+) excludes it/,
    phrase: (path, file) =>
      `no items matching glob "${path}" copied (1 filtered out using ${file}): no such file or directory`,
  },
  { ours: /"(.*)": not found$/m, phrase: (path) => `copier: stat: "${path}": no such file or directory` },
  {
    ours: /not an image reference: "(?:localhost\/)?([^"]*[A-Z][^"]*)"/,
    phrase: (name) => `tag ${name}: invalid reference format: repository name must be lowercase`,
    alone: true,
  },
  {
    ours: /not an image reference: "(.*)"/,
    phrase: (name) => `parsing reference "${name}": invalid reference format`,
  },
  {
    ours: /(\S+) answers (\d+) for (\S+)/,
    phrase: (host, status, path) => `invalid response status ${status} for https://${host}${path}`,
  },
];

/** Of an error: the end of buildah's line, and how it is said. */
export function phraseOf(text) {
  for (const { ours, phrase, ...rest } of PHRASES) {
    const match = ours.exec(text);
    if (match !== null) return { ...rest, phrase: phrase(...match.slice(1)) };
  }
  return { phrase: text.split('\n').find((line) => line.startsWith('error')) ?? text };
}

const WARNINGS = [];

/** A line to say after a warning of ours, or nothing. */
export function warningOf(text) {
  for (const { ours, phrase } of WARNINGS) {
    const match = ours.exec(text);
    if (match !== null) return `${phrase(...match.slice(1))}\n`;
  }
  return '';
}

export { ADD_FLAGS, COPY_FLAGS };
