/** What is odd about one statement, under the rule names that BuildKit's checks have. */
import type { Position, Warning } from './instruction.ts';
import { rangeOf, type Statement } from './statement.ts';

/** Without a position the warning is about the whole instruction. */
interface Finding {
  readonly message: string;
  readonly position?: Position;
}

const RULES: Readonly<Record<string, (statement: Statement) => Finding | undefined>> = {
  NoEmptyContinuation: ({ line: { emptyContinuation: position } }) =>
    position && { message: 'empty line in a continued instruction is dropped', position },
  LegacyKeyValueFormat: ({ keyword, arguments: cut }) =>
    cut.form === 'pairs' && cut.pairs.some(({ legacy }) => legacy)
      ? { message: `${keyword} key=value should be used instead of ${keyword} key value` }
      : undefined,
  MaintainerDeprecated: ({ keyword }) =>
    keyword === 'MAINTAINER'
      ? { message: 'MAINTAINER is deprecated, use LABEL org.opencontainers.image.authors' }
      : undefined,
};

export function statementWarnings(statement: Statement): Warning[] {
  return Object.entries(RULES).flatMap(([rule, check]) => {
    const finding = check(statement);
    return finding === undefined ? [] : [{ rule, position: rangeOf(statement).start, ...finding }];
  });
}
