/** The completion script for fish, with descriptions. */
import type { CompletedCommand, CompletedOption } from './words.ts';

export function fishScript(commands: readonly CompletedCommand[]): string {
  return [
    '# fish completion for arch-build: arch-build completion fish | source',
    ...commands.flatMap(commandLines),
    '',
  ].join('\n');
}

function commandLines({ path, subcommands, options }: CompletedCommand): string[] {
  const condition = conditionOf(
    path,
    subcommands.map(({ word }) => word),
  );
  return [
    ...subcommands.map(
      ({ word, description }) =>
        `complete -c arch-build -n ${condition} -a ${word} -d ${quoted(description)}`,
    ),
    ...options.map((option) => `complete -c arch-build -n ${condition}${optionWords(option)}`),
  ];
}

/** The last command word that was written is this one's. */
function conditionOf(path: readonly string[], children: readonly string[]): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const notSeen = children.length === 0 ? [] : [`not __fish_seen_subcommand_from ${children.join(' ')}`];
  const all = [...seen, ...notSeen];
  return quoted(all.length === 0 ? 'true' : all.join('; and '));
}

function optionWords({ flags, description, takesValue, choices }: CompletedOption): string {
  const names = flags.map((flag) =>
    flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`,
  );
  const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : takesValue ? ' -r' : '';
  return `${names.join('')}${value} -d ${quoted(description)}`;
}

/** Within single quotes fish knows two escapes. */
const quoted = (text: string): string =>
  `'${text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", String.raw`\'`)
    .replaceAll('\n', ' ')}'`;
