/**
 * The templates of a cluster image (`*.tmpl`): Go's text/template with the variables of the cluster as its data, and
 * the functions that charts have, so that whatever sealer renders is rendered here. Go writes `<no value>` where
 * nobody has set a variable; here that is refused. Pure.
 */
import { ArchBuildError } from '../errors.ts';
import { Budget } from './helm/budget.ts';
import { execute } from './helm/evaluate.ts';
import { FUNCTIONS, LANGUAGE } from './helm/functions/all.ts';
import type { Operand, Pipe } from './helm/nodes.ts';
import { parseTemplate } from './helm/parse-template.ts';
import { FunctionError, TemplateError } from './helm/template-error.ts';

const NAMES = new Set([...FUNCTIONS.keys(), ...LANGUAGE]);

/** Throws CLUSTER with file and line for what cannot be rendered, and for variables nobody has set, all of them at once. */
export function renderTemplate(
  file: string,
  text: string,
  environment: Readonly<Record<string, string>>,
): string {
  const missing = new Set<string>();
  try {
    const output = execute(file, new Map(Object.entries(environment)), {
      templates: parseTemplate(text, file, NAMES),
      functions: FUNCTIONS,
      budget: new Budget(),
      onNothing: (pipe) => missing.add(`${nameOf(pipe)} (line ${String(pipe.line)})`),
    });
    if (missing.size === 0) return output.text;
  } catch (error) {
    throw failureOf(error, file);
  }
  throw new ArchBuildError('CLUSTER', `${file} needs variables that nobody has set`, {
    items: [...missing].sort(),
    hint: 'set them with --env NAME=VALUE or with ENV in the Kubefile, or write {{ .NAME | default "…" }}',
  });
}

/** What the user has to set; of anything but a plain variable only where it is. */
function nameOf({ commands }: Pipe): string {
  const [first, ...rest] = commands.flat();
  return (first === undefined || rest.length > 0 ? undefined : variableOf(first)) ?? 'what is written there';
}

const variableOf = (operand: Operand): string | undefined =>
  operand.kind === 'field' || operand.kind === 'variable' ? operand.path.join('.') : undefined;

function failureOf(cause: unknown, file: string): unknown {
  const place = cause instanceof TemplateError ? `${file}:${String(cause.line)}` : file;
  const isOurs =
    cause instanceof TemplateError || cause instanceof FunctionError || cause instanceof RangeError;
  if (!isOurs) return cause;
  const words = cause instanceof RangeError ? 'nested too deep' : cause.message;
  return new ArchBuildError('CLUSTER', `${place}: ${words}`, { cause });
}
