/**
 * Parser directives: `# name=value` comments at the very top. The first line that is anything else, an unknown name
 * included, ends them: from then on such lines are comments.
 */
import { trimEnd, trimStart } from './characters.ts';
import { errorAt, lineText, type SourceText } from './source-text.ts';

export interface Directives {
  readonly escape: '\\' | '`';
  /** The words of `# syntax=`, never fetched: it only chooses the dialect. */
  readonly syntax?: string;
  /** `# check=skip=Rule,…;error=true` as written. */
  readonly check?: string;
}

const NAMES = ['syntax', 'escape', 'check'] as const;
type Name = (typeof NAMES)[number];

/** Throws KUBEFILE_SYNTAX for a directive that stands twice and for an escape other than `\` and backtick. */
export function readDirectives(source: SourceText): Directives {
  const found = new Map<Name, string>();
  for (let line = 1; line <= source.lines.length; line++) {
    const directive = parseDirective(lineText(source, line));
    if (directive === undefined) break;
    const column = lineText(source, line).search(/[A-Za-z]/) + 1;
    if (found.has(directive.name)) {
      throw errorAt(
        source,
        { line, column },
        { message: `only one ${directive.name} directive can be used` },
      );
    }
    if (directive.name === 'escape' && directive.value !== '\\' && directive.value !== '`') {
      const at = lineText(source, line).indexOf(directive.value, column);
      const message = `escape character "${directive.value}" is neither \\ nor \``;
      throw errorAt(source, { line, column: at + 1 }, { message });
    }
    found.set(directive.name, directive.value);
  }
  const syntax = found.get('syntax');
  const check = found.get('check');
  return {
    escape: found.get('escape') === '`' ? '`' : '\\',
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
}

/** Is the line one of ours, wherever it stands? */
export const isDirective = (line: string): boolean => parseDirective(line) !== undefined;

function parseDirective(line: string): { name: Name; value: string } | undefined {
  const text = trimStart(line);
  if (!text.startsWith('#')) return undefined;
  const [, word = '', rest = ''] =
    /^([A-Za-z][A-Za-z0-9]*)[\t\n\f\r ]*=(.*)$/s.exec(trimStart(text.slice(1))) ?? [];
  const name = NAMES.find((known) => known === word.toLowerCase());
  const value = trimEnd(trimStart(rest));
  return name === undefined || value === '' ? undefined : { name, value };
}
