/**
 * ONBUILD: the trigger stays text, because the image config stores text, but it is read once here so that a mistake in
 * it is found now and not by whoever builds on this image.
 */
import { CLUSTER_KEYWORDS } from './dialect.ts';
import type { Instruction } from './instruction.ts';
import { readStatement, statementError, type Statement } from './statement.ts';

const FORBIDDEN: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    CLUSTER_KEYWORDS.map((keyword) => [keyword, `${keyword} cannot be the trigger of ONBUILD`]),
  ),
  ONBUILD: 'ONBUILD cannot be the trigger of ONBUILD',
  FROM: 'FROM cannot be the trigger of ONBUILD',
  MAINTAINER: 'MAINTAINER cannot be the trigger of ONBUILD',
};

/** Throws KUBEFILE_SYNTAX for an instruction that may not stand there and for what `build` refuses. */
export function readOnbuild(statement: Statement, build: (trigger: Statement) => Instruction): string {
  const cut = statement.arguments;
  if (cut.form !== 'trigger' || cut.trigger.keyword.text === '') {
    const { offset } = statement.command.keyword;
    throw statementError(statement, offset, { message: 'ONBUILD requires at least one argument' });
  }
  const { keyword } = cut.trigger;
  refuseTrigger(statement, keyword.text, keyword.offset);
  build(readStatement(statement.context, statement.line, cut.trigger));
  const bodies = statement.line.heredocs.map(({ body, name }) => `\n${body}${name}`);
  return statement.command.rest.text + bodies.join('');
}

export function refuseTrigger(
  statement: Pick<Statement, 'context' | 'line'>,
  keyword: string,
  offset: number,
): void {
  const message = FORBIDDEN[keyword.toUpperCase()];
  if (message !== undefined) throw statementError(statement, offset, { message });
}
