/**
 * The templates of a cluster image (`*.tmpl`): text with `{{ .NAME }}` for variables of the cluster. Of the language
 * they are written in, Go's, variables, comments and trimming are enough for what images have; anything else is
 * refused by its line rather than copied half understood. Pure.
 */
import { ArchBuildError } from '../errors.ts';

const ACTION = /\{\{(- )?([^]*?)( -)?\}\}/g;

/** Throws CLUSTER for an action it does not know, and for variables nobody has set, all of them at once. */
export function renderTemplate(
  file: string,
  text: string,
  environment: Readonly<Record<string, string>>,
): string {
  const missing = new Set<string>();
  let [rendered, done, trims] = ['', 0, false];
  const literal = (end: number): string => {
    const piece = text.slice(done, end);
    return trims ? piece.trimStart() : piece;
  };
  for (const { 0: whole, 1: trimLeft, 2: inside = '', 3: trimRight, index } of text.matchAll(ACTION)) {
    const before = literal(index);
    const place = (): string => `${file}:${text.slice(0, index).split('\n').length}`;
    const value = valueOf(inside.trim(), environment, { missing: (name) => missing.add(name), place });
    rendered += (trimLeft === undefined ? before : before.trimEnd()) + value;
    [done, trims] = [index + whole.length, trimRight !== undefined];
  }
  if (missing.size === 0) return rendered + literal(text.length);
  throw new ArchBuildError('CLUSTER', `${file} needs variables that nobody has set`, {
    items: [...missing].sort(),
    hint: 'set them with --env NAME=VALUE, or with ENV in the Kubefile',
  });
}

interface Told {
  readonly missing: (name: string) => void;
  readonly place: () => string;
}

function valueOf(action: string, environment: Readonly<Record<string, string>>, told: Told): string {
  if (/^\/\*[^]*\*\/$/.test(action)) return '';
  const name = /^\.(\w+)$/.exec(action)?.[1];
  if (name === undefined) {
    throw new ArchBuildError('CLUSTER', `${told.place()}: {{ ${action} }} is not a variable`, {
      hint: 'write {{ .NAME }}: templates of a cluster image know variables only',
    });
  }
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  if (value === undefined) told.missing(name);
  return value ?? '';
}
