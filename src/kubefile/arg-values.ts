/** What ARG gives: its default, unless --build-arg says otherwise. Pure: where values come from is a parameter. */
import { expandWord, type Scope } from './expand.ts';
import type { ArgInstruction } from './instruction.ts';

export type Variables = ReadonlyMap<string, string>;

export interface ArgSources {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** ARGs before the first FROM, evaluated. */
  readonly globals: Variables;
  readonly platformArgs: Variables;
}

export const scopeOf = (variables: Variables): Scope => ({ get: (name) => variables.get(name) });

/** ARGs before the first FROM: each sees those above it and the platform ARGs. */
export function globalArgs(
  instructions: readonly ArgInstruction[],
  sources: Omit<ArgSources, 'globals'>,
  options: { escape: '\\' | '`' },
): Variables {
  const globals = new Map<string, string>();
  for (const { args } of instructions) {
    for (const { key, value } of args) {
      const scope = scopeOf(new Map([...sources.platformArgs, ...globals]));
      const given = sources.buildArgs[key];
      const found =
        given ?? (value === undefined ? sources.platformArgs.get(key) : expandWord(value, scope, options));
      if (found !== undefined) globals.set(key, found);
    }
  }
  return globals;
}

/** The value an ARG instruction gives inside a stage; undefined leaves the name as it was. */
export function argValue(
  { key, value }: { readonly key: string; readonly value?: string },
  sources: ArgSources,
  expand: (word: string) => string,
): string | undefined {
  const given = sources.buildArgs[key];
  if (given !== undefined) return given;
  if (value !== undefined) return expand(value);
  return sources.globals.get(key) ?? sources.platformArgs.get(key);
}
