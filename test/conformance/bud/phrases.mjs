/**
 * What arch-build says is wrong, in the words buildah has for the same. A phrase is only said behind an error of ours
 * for the same reason; without one our own words are repeated.
 */

const FLAGS = {
  COPY: 'COPY only supports the --chmod=<permissions> --chown=<uid:gid> --from=<image|stage> and the --exclude=<pattern> flags',
  ADD: 'ADD only supports the --chmod=<permissions>, --chown=<uid:gid>, and --checksum=<checksum> --exclude=<pattern> flags',
};

/** Of a name, without what buildah leaves out of it. */
const short = (name) => name.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, '');

/** Pattern of ours; buildah's words; `alone` without the step; `code`, which group is the exit status. */
const PHRASES = [
  { ours: /cannot read (\S+): ENOTDIR/, phrase: (path) => `open ${path}: not a directory` },
  { ours: /cannot read (\S+): ENOENT/, phrase: (path) => `open ${path}: no such file or directory` },
  {
    ours: /cannot read (\S+): EISDIR/,
    phrase: (path) => `${path} is not a file: containerfile: cannot be path to a directory`,
  },
  {
    ours: /(\S+) has no Kubefile, Dockerfile, Containerfile/,
    phrase: (path) =>
      `cannot find Containerfile or Dockerfile in context directory: stat ${path}/Dockerfile: no such file or directory`,
  },
  { ours: /there is no directory (\S+)/, phrase: (path) => `stat ${path}: no such file or directory` },
  { ours: /(\S+):1:1: file with no instructions/, phrase: (path) => `no contents in "${path}"`, alone: true },
  { ours: /(\S+) is empty$/m, phrase: (path) => `no contents in "${path}"` },
  { ours: /--network is .*, not "(.*)"/, phrase: (mode) => `unsupported value ${JSON.stringify(mode)}` },
  { ours: /'--network <mode>' argument '(.*)' is invalid/, phrase: (name) => `network not found: ${name}` },
  {
    ours: /the cache "(.*)" has no "(.*)"/,
    phrase: (id, path) => `mounting cache ${id}: stat ${path}: no such file or directory`,
  },
  {
    ours: /"(.*)": not found\n(?:.*\n)*hint: the file exists, but (\S+) excludes it/,
    phrase: (path, file) =>
      `no items matching glob "${path}" copied (1 filtered out using ${file}): no such file or directory`,
  },
  { ours: /"(.*)": not found$/m, phrase: (path) => `copier: stat: "${path}": no such file or directory` },
  { ours: /COPY takes no URL/, phrase: () => "source can't be a URL for COPY" },
  {
    ours: /flag --\w+ has no value\n +\d+ \| (COPY|ADD)/,
    phrase: (instruction) => FLAGS[instruction],
  },
  {
    ours: /the image has no user "(.*)"\n +\d+ \| .*--chown=(\S+)/,
    phrase: (name, owner) => `looking up UID/GID for ":": can't find uid for user "${name}" of ${owner}`,
  },
  {
    ours: /circular dependency detected on stage "(.*)"/,
    phrase: (name) => `COPY --from=${name}: no stage or image found with that name`,
  },
  {
    ours: /the secret (\S+) was not given/,
    phrase: (id) => `secret required but no secret with id "${id}" found`,
  },
  {
    ours: /--secret ".*" is not understood/,
    phrase: () => 'incorrect secret flag format: should be --secret id=foo,src=bar',
    alone: true,
  },
  { ours: /unknown option "(bind-propagation)"/, phrase: (name) => `invalid mount option ${name}` },
  { ours: /--mount=\S+: (bind-propagation .*)/, phrase: (words) => `invalid mount option: ${words}` },
  {
    ours: /(--dns[a-z-]*) .*--network(?: |=)none|--network(?: |=)none .*(--dns[a-z-]*)/,
    phrase: (one, other) => `the ${one ?? other} option cannot be used with --network=none`,
    alone: true,
  },
  {
    ours: /--no-hosts and --add-host contradict each other/,
    phrase: () => '--no-hosts and --add-host conflict, can not be used together',
    alone: true,
  },
  { ours: /^error\[USAGE\] --output .*/m, phrase: () => 'invalid build output option', alone: true },
  {
    ours: /no image "(\S+)" in the store/,
    phrase: (name) => `creating build container: ${short(name)}: image not known`,
    alone: true,
  },
  {
    ours: /git \S+ ended with (\d+): (.*)/,
    phrase: (status, words) => `failed while performing "git fetch": ${words}`,
    alone: true,
    code: 1,
  },
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
    ours: /(\S+?):\d+:\d+: escape character "(.*)" is neither/,
    phrase: (path, escape, files) =>
      `${files.slice(1).includes(path) ? `parsing additional Dockerfile ${path}: ` : ''}invalid ESCAPE '${escape}'. Must be \` or \\`,
    alone: true,
  },
  {
    ours: /cannot talk to (\S+): its certificate is not trusted/,
    phrase: () => 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  },
  {
    ours: /(\S+) answers (\d+) for (\S+)/,
    phrase: (host, status, path) => `invalid response status ${status} for https://${host}${path}`,
  },
];

/** Of an error: the end of buildah's line, and how it is said. `files` are those of the command line. */
export function phraseOf(text, files) {
  for (const { ours, phrase, alone, code } of PHRASES) {
    const match = ours.exec(text);
    if (match !== null)
      return {
        phrase: phrase(...match.slice(1), files),
        alone,
        code: code === undefined ? undefined : Number(match[code]),
      };
  }
  return { phrase: text.split('\n').find((line) => line.startsWith('error')) ?? text };
}

/** What may be said besides: warnings, notes, and what `--debug` shows. */
const WARNINGS = [
  {
    ours: /^ARG (\S+) has no value/,
    phrase: (name) =>
      `level=warning msg=${JSON.stringify(`missing "${name}" build argument. Try adding "--build-arg ${name}=<VALUE>" to the command line`)}`,
  },
  {
    ours: /^(.*); try (\d+) of (\d+) more in (\S+) (m?s)$/,
    phrase: (problem, number, count, amount, unit) =>
      `level=warning msg=${JSON.stringify(`Failed, retrying in ${amount}${unit} ... (${number}/${count}). Error: ${problem}`)}`,
  },
  {
    ours: /^\S+ is not there for (\S+): (\S+) is taken/,
    phrase: (wanted, taken) => `image platform (${taken}) does not match the expected platform (${wanted})`,
  },
  {
    ours: /^the C preprocessor on \S+: ([^]*)/,
    phrase: (problems) => `Ignoring ${problems}`,
  },
  {
    ours: /^--build-arg (\S+) is not used by/,
    phrase: (name) => `[Warning] one or more build args were not consumed: [${name}]`,
  },
];

/** A line to say after a warning of ours, or nothing. */
export function warningOf(text) {
  for (const { ours, phrase } of WARNINGS) {
    const match = ours.exec(text);
    if (match !== null) return `${phrase(...match.slice(1))}\n`;
  }
  return '';
}

/** Of a step or of the build, in the form of buildah's rusage package. */
export const usageOf = ({ usage, milliseconds }) =>
  `${usage.systemMs}ms(system) ${usage.userMs}ms(user) ${milliseconds}ms(elapsed) ${usage.readBytes} input ${usage.writtenBytes} output`;
