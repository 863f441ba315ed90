/** The scripts are run by the shells they are for. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { bashScript } from '../../src/cli/completion/bash.ts';
import { fishScript } from '../../src/cli/completion/fish.ts';
import { completedCommands } from '../../src/cli/completion/words.ts';
import { zshScript } from '../../src/cli/completion/zsh.ts';
import { createProgram } from '../../src/cli/program.ts';
import { describeWith } from '../support/requires.ts';

const commands = completedCommands(
  createProgram(new AbortController().signal, () => undefined),
  'build',
);

function answerOf(shell: string, args: readonly string[], script: string): string[] {
  const { status, stdout, stderr } = spawnSync(shell, args, { input: script, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').filter((line) => line !== '');
}

const quote = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');

const SHELLS = {
  bash: (words: readonly string[]) =>
    answerOf(
      'bash',
      ['--norc'],
      `${bashScript(commands)}
cd /proc/self/fdinfo # nothing here looks like a word
COMP_WORDS=(${quote(words)}); COMP_CWORD=${words.length - 1}; _arch_build; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ),
  // The functions of the completion system are replaced by ones that print what they are given.
  zsh: (words: readonly string[]) =>
    answerOf(
      'zsh',
      ['-f'],
      `compdef() { }; _files() { }
_describe() { local name=\${@[-1]} each; for each in \${(P)name}; do print -r -- \${each%%:*}; done | grep -e "^$PREFIX"; }
compadd() { shift; print -l -- "$@" | grep -e "^$PREFIX"; }
${zshScript(commands)}
words=(${quote(words)}); CURRENT=$#words; PREFIX=\${words[-1]}; _arch_build; true`,
    ),
  fish: (words: readonly string[]) =>
    // It reads no script from a socket, and this one is too long for an argument.
    answerOf(
      'fish',
      ['--no-config', '-c', `cat | source; complete -C "${words.join(' ')}"`],
      fishScript(commands),
    ).map((line) => line.split('\t')[0] ?? ''),
};

const CASES: readonly { words: readonly string[]; contains: readonly string[]; lacks: readonly string[] }[] =
  [
    { words: ['arch-build', 'im'], contains: ['images', 'import'], lacks: ['run'] },
    { words: ['arch-build', '--plat'], contains: ['--platform'], lacks: ['--tag'] },
    { words: ['arch-build', 'binfmt', 're'], contains: ['register'], lacks: ['rmi', 'unregister'] },
    { words: ['arch-build', 'binfmt', 'register', '--repl'], contains: ['--replace'], lacks: ['--tag'] },
    { words: ['arch-build', 'save', '--format', 'o'], contains: ['oci'], lacks: ['docker', '--output'] },
    { words: ['arch-build', '--isolation', 'pri'], contains: ['private'], lacks: ['prefix'] },
    { words: ['arch-build', 'images', '--js'], contains: ['--json'], lacks: ['--format'] },
  ];

describeWith(['command:bash', 'command:zsh', 'command:fish'], 'a completion script', () => {
  for (const [shell, complete] of Object.entries(SHELLS)) {
    it.each(CASES)(`of ${shell} completes $words`, ({ words, contains, lacks }) => {
      const answers = complete(words);
      expect(answers).toEqual(expect.arrayContaining([...contains]));
      for (const word of lacks) expect(answers).not.toContain(word);
    });
  }
});
