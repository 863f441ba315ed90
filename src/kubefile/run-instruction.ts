/** RUN: command, here-documents and the flags of the sandbox. */
import { readCommand } from './command-form.ts';
import type { FlagValues } from './flags.ts';
import type { RunInstruction } from './instruction.ts';
import { statementError, type Statement } from './statement.ts';
import { didYouMean } from './suggest.ts';

const MODES = { network: ['default', 'none', 'host'], security: ['sandbox', 'insecure'] } as const;

type Run = Pick<RunInstruction, 'command' | 'heredocs' | 'mounts' | 'network' | 'security'>;

export function readRun(statement: Statement, flags: FlagValues): Run {
  const command = readCommand(statement.arguments);
  // without a word a shell gets an empty text, as BuildKit has it
  if (command.form === 'exec' && command.words.length === 0) {
    throw statementError(statement, statement.command.keyword.offset, {
      message: 'RUN requires at least one argument',
    });
  }
  if (flags.list('device').length > 0) {
    const message = 'RUN --device is not supported';
    throw statementError(statement, flags.offset('device'), { code: 'KUBEFILE_SEMANTICS', message });
  }
  return {
    command,
    heredocs: statement.line.heredocs,
    mounts: flags.list('mount'),
    ...readMode(statement, flags, 'network'),
    ...readMode(statement, flags, 'security'),
  };
}

function readMode(
  statement: Statement,
  flags: FlagValues,
  name: keyof typeof MODES,
): { readonly [key: string]: string } {
  const value = flags.text(name);
  if (value === undefined) return {};
  const modes: readonly string[] = MODES[name];
  if (modes.includes(value)) return { [name]: value };
  const message = `--${name} is ${modes.join(' or ')}, not "${value}"`;
  throw statementError(statement, flags.offset(name), { message, hint: didYouMean(value, modes) });
}
