/** RUN with heredocs: what is started, and the file a `#!` body becomes. Pure. */
import type { RunInstruction } from '../kubefile/instruction.ts';

export interface RunCommand {
  readonly argv: readonly string[];
  /** A script that stands at `/dev/pipes/<name>` during the step, mode 0755. */
  readonly script?: { readonly name: string; readonly body: string };
}

/** A heredoc and nothing else on the line. */
const LONE_HEREDOC = /^\d*<<-?\s*(["']?)[^\s"'<]+\1$/;

/**
 * A lone heredoc is a script: with `#!` it is started by its own interpreter, else by the stage's shell. Anything
 * else goes to the shell as written, bodies and terminators included.
 */
export function runCommand(instruction: RunInstruction, shell: readonly string[]): RunCommand {
  const { command, heredocs } = instruction;
  if (command.form === 'exec') return { argv: command.words };
  const [first] = heredocs;
  if (first === undefined) return { argv: [...shell, command.text] };
  if (heredocs.length === 1 && LONE_HEREDOC.test(command.text.trim())) {
    if (!first.body.startsWith('#!')) return { argv: [...shell, first.body] };
    const name = first.name.replace(/[^\w.-]/g, '_').replace(/^\.+/, '_');
    return { argv: [`/dev/pipes/${name}`], script: { name, body: first.body } };
  }
  const bodies = heredocs.map(({ body, name }) => `\n${body}${name}`).join('');
  return { argv: [...shell, command.text + bodies] };
}
