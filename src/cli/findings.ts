/** The findings of a check as text and as data. Pure. */
import type { CheckResult } from '../build/check.ts';
import { sourceLineOf } from '../build/check.ts';
import { RULES } from '../kubefile/lint/rules.ts';
import { DIALECTS } from '../kubefile/dialect.ts';
import { formatFinding } from './diagnostic.ts';

/** Ends with a newline; empty when there is nothing. */
export function findingsText({ kubefile, findings }: CheckResult): string {
  const shown = findings.map(({ rule, message, position }) =>
    formatFinding(rule, message, {
      file: kubefile.file,
      ...position,
      sourceLine: sourceLineOf(kubefile, position.line),
    }),
  );
  return shown.map((text) => `${text}\n`).join('\n');
}

export function findingsData({ kubefile, findings }: CheckResult): unknown {
  return {
    file: kubefile.file,
    dialect: DIALECTS[kubefile.dialect].syntax,
    findings: findings.map(({ rule, message, position: { line, column } }) => ({
      rule,
      about: RULES.find(({ name }) => name === rule)?.about ?? '',
      message,
      line,
      column,
      sourceLine: sourceLineOf(kubefile, line),
    })),
  };
}
