/** The completion script for zsh, with descriptions. */
import { chosenOptions, type CompletedCommand, type CompletedOption, type CompletedWord } from './words.ts';

export function zshScript(commands: readonly CompletedCommand[]): string {
  const names = commands.slice(1).map(({ path }) => path.join(' '));
  return `#compdef arch-build
# zsh completion for arch-build: arch-build completion zsh > "\${fpath[1]}/_arch-build"
_arch_build() {
  local place='' word previous=\${words[CURRENT-1]}
  local -a subcommands options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${place:+$place }$word" in
${names.map((name) => `      '${name}') place='${name}' ;;`).join('\n')}
    esac
  done
  case "$place $previous" in
${commands.flatMap(choiceCases).join('\n')}
  esac
  case "$place" in
${commands.map(commandCase).join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  else
    (( $#subcommands )) && _describe command subcommands
    _files
  fi
}
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then _arch_build "$@"; else compdef _arch_build arch-build; fi
`;
}

const choiceCases = (command: CompletedCommand): string[] =>
  chosenOptions(command).map(
    ({ patterns, choices }) => `    ${patterns}) compadd -- ${choices.join(' ')}; return ;;`,
  );

function commandCase({ path, subcommands, options }: CompletedCommand): string {
  return [
    `    '${path.join(' ')}')`,
    `      subcommands=(${subcommands.map(describedWord).join(' ')})`,
    `      options=(${options.flatMap(describedFlags).join(' ')})`,
    '      ;;',
  ].join('\n');
}

const describedWord = ({ word, description }: CompletedWord): string =>
  quoted(`${word}:${plain(description)}`);

const describedFlags = ({ flags, description }: CompletedOption): string[] =>
  flags.map((flag) => quoted(`${flag}:${plain(description)}`));

/** `_describe` ends the word at the first colon; later ones are text. */
const plain = (text: string): string => text.replaceAll('\n', ' ');
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
