/** RUN with here-documents: what is started. */
import { describe, expect, it } from 'vitest';
import { runCommand, type RunCommand } from '../../src/build/heredoc-command.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';

const SHELL = ['/bin/sh', '-c'];

function commandOf(text: string): RunCommand {
  const { stages } = parseKubefile(`FROM x\n${text}\n`, { file: 'Dockerfile', dialect: 'dockerfile' });
  const instruction = stages[0]?.instructions[0];
  if (instruction?.keyword !== 'RUN') throw new TypeError('not a RUN');
  return runCommand(instruction, SHELL);
}

describe('RUN', () => {
  it.each<[string, string, RunCommand]>([
    ['shell form', 'RUN echo $x "y"', { argv: [...SHELL, 'echo $x "y"'] }],
    ['exec form', 'RUN ["/p", "a b"]', { argv: ['/p', 'a b'] }],
    [
      'a lone body is for the shell',
      'RUN <<EOF\necho $x\necho b\nEOF',
      { argv: [...SHELL, 'echo $x\necho b\n'] },
    ],
    ['a lone quoted body too', 'RUN <<"EOF"\necho $x\nEOF', { argv: [...SHELL, 'echo $x\n'] }],
    ['tabs are chomped', 'RUN <<-EOF\n\techo a\n\tEOF', { argv: [...SHELL, 'echo a\n'] }],
    ['an empty body', 'RUN <<EOF\nEOF', { argv: [...SHELL, ''] }],
    [
      'a body with an interpreter is a script',
      'RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF',
      { argv: ['/dev/pipes/EOF'], script: { name: 'EOF', body: '#!/usr/bin/env python3\nprint(1)\n' } },
    ],
    [
      'an interpreter after the first line is none',
      'RUN <<EOF\n\n#!/bin/x\nEOF',
      { argv: [...SHELL, '\n#!/bin/x\n'] },
    ],
    [
      'a redirected body stays as written',
      'RUN <<EOF cat > /f\nline $x\nEOF',
      { argv: [...SHELL, '<<EOF cat > /f\nline $x\nEOF'] },
    ],
    [
      'a command before the body',
      'RUN python3 <<EOF\n#!x\nEOF',
      { argv: [...SHELL, 'python3 <<EOF\n#!x\nEOF'] },
    ],
    ['several bodies', 'RUN cat <<A <<B\n1\nA\n2\nB', { argv: [...SHELL, 'cat <<A <<B\n1\nA\n2\nB'] }],
  ])('%s', (_name, text, expected) => {
    expect(commandOf(text)).toEqual(expected);
  });

  it.each(['../../x', '/etc/passwd', '..', '.', '.hidden', 'a/b'])(
    'names no file outside of the pipes: %s',
    (name) => {
      const { argv, script } = commandOf(`RUN <<"${name}"\n#!/bin/sh\n${name}`);
      expect(script?.name).toMatch(/^[\w-][\w.-]*$/);
      expect(argv).toEqual([`/dev/pipes/${script?.name ?? ''}`]);
    },
  );

  it('hands what the shell must find the end of to a real shell', async () => {
    const { runProgram } = await import('../../src/sys/run-program.ts');
    const { argv } = commandOf('RUN cat <<A && cat <<"B" && cat <<-C\n$((1+1))\nA\n$x\nB\n\tc\n\tC');
    const [file = '', ...args] = argv;
    expect((await runProgram(file, args)).stdout).toBe('2\n$x\nc\n');
  });
});
