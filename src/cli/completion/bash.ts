/** The completion script for bash 4 and later. It asks nothing: all words stand in it. */
import { chosenOptions, type CompletedCommand } from './words.ts';

export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.slice(1).map(({ path }) => path.join(' '));
  return `# bash completion for arch-build: source <(arch-build completion bash)
_arch_build() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' word words='' options=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
${names.map((name) => `      '${name}') path='${name}' ;;`).join('\n')}
    esac
  done
  case "$path $previous" in
${commands.flatMap(choiceCases).join('\n')}
  esac
  case "$path" in
${commands.map(commandCase).join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
  fi
}
complete -o filenames -o bashdefault -F _arch_build arch-build
`;
}

const choiceCases = (command: CompletedCommand): string[] =>
  chosenOptions(command).map(
    ({ patterns, choices }) =>
      `    ${patterns}) COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$current")); return ;;`,
  );

function commandCase({ path, subcommands, options }: CompletedCommand): string {
  const words = subcommands.map(({ word }) => word).join(' ');
  const flags = options.flatMap((option) => option.flags).join(' ');
  return `    '${path.join(' ')}') words='${words}' options='${flags}' ;;`;
}
