/** HEALTHCHECK NONE, or HEALTHCHECK [flags] CMD command. */
import { isEmptyCommand, readCommand } from './command-form.ts';
import type { FlagValues } from './flags.ts';
import type { HealthcheckInstruction } from './instruction.ts';
import { statementError, type Statement } from './statement.ts';

type Healthcheck = Omit<HealthcheckInstruction, 'keyword' | 'range' | 'source'>;

const OPTIONS = {
  interval: 'interval',
  timeout: 'timeout',
  'start-period': 'startPeriod',
  'start-interval': 'startInterval',
  retries: 'retries',
} as const;

export function readHealthcheck(statement: Statement, flags: FlagValues): Healthcheck {
  const cut = statement.arguments;
  const { offset } = statement.command.keyword;
  if (cut.form !== 'check' || cut.type.text === '') {
    throw statementError(statement, offset, { message: 'HEALTHCHECK requires at least one argument' });
  }
  const command = readCommand(cut.command);
  const empty = isEmptyCommand(command);
  switch (cut.type.text.toUpperCase()) {
    case 'NONE':
      if (empty && statement.command.flags.length === 0) return { command: 'NONE' };
      throw statementError(statement, cut.type.offset, {
        message: 'HEALTHCHECK NONE takes no flags and no arguments',
      });
    case 'CMD': {
      if (empty)
        throw statementError(statement, cut.type.offset, {
          message: 'missing command after HEALTHCHECK CMD',
        });
      const options = Object.entries(OPTIONS).map(([flag, key]) => [key, flags.text(flag)] as const);
      return { command, ...Object.fromEntries(options.filter(([, value]) => value !== undefined)) };
    }
    default: {
      const message = `unknown type "${cut.type.text}" in HEALTHCHECK`;
      throw statementError(statement, cut.type.offset, {
        message,
        hint: 'Write HEALTHCHECK CMD command or HEALTHCHECK NONE',
      });
    }
  }
}
