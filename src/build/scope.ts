/**
 * The variables a stage's words see: ENV of the image and of the stage, and ARGs, in one table where the last
 * writer in file order wins. A value of the stage's own `ARG` beats nothing but what came before it; `--build-arg`
 * beats the ARG's default.
 */
import type { ArgInstruction } from '../kubefile/instruction.ts';
import { expandWord, type Scope } from '../kubefile/expand.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';

/** Usable as ARG without declaration, kept out of history and cache keys: they say where we are, not what we build. */
const PROXY_ARGS = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

export type Variables = ReadonlyMap<string, string>;

export interface ArgSources {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** ARGs before the first FROM, evaluated. */
  readonly globals: Variables;
  readonly platformArgs: Variables;
}

export const scopeOf = (variables: Variables): Scope => ({ get: (name) => variables.get(name) });

/** The automatic platform ARGs. `stage` is the stage being built, the target unless FROM --platform says otherwise. */
export function platformArgs(build: Platform, target: Platform, stage: string): Variables {
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform['os.version'] ?? ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('BUILD', build), ...of('TARGET', target), ['TARGETSTAGE', stage]]);
}

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

/** Proxy settings given with --build-arg reach RUN although nobody declared them. */
export function proxyVariables(buildArgs: Readonly<Record<string, string>>): [string, string][] {
  return PROXY_ARGS.flatMap((name) => {
    const value = buildArgs[name];
    return value === undefined ? [] : [[name, value] as [string, string]];
  });
}

export const isProxyArg = (name: string): boolean => PROXY_ARGS.includes(name);
