/**
 * The variables a stage's words see: ENV of the image and of the stage, and ARGs, in one table where the last
 * writer in file order wins. A value of the stage's own `ARG` beats nothing but what came before it; `--build-arg`
 * beats the ARG's default.
 */
import type { Variables } from '../kubefile/arg-values.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';

export { argValue, globalArgs, scopeOf } from '../kubefile/arg-values.ts';
export type { ArgSources, Variables } from '../kubefile/arg-values.ts';

/** Usable as ARG without declaration, kept out of history and cache keys: they say where we are, not what we build. */
const PROXY_NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
const PROXY_ARGS = PROXY_NAMES.flatMap((name) => [name, name.toLowerCase()]);

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

/**
 * Proxy settings given with --build-arg reach RUN although nobody declared them, and in both spellings: some programs
 * look at the one, some at the other.
 */
export function proxyVariables(buildArgs: Readonly<Record<string, string>>): [string, string][] {
  return PROXY_NAMES.flatMap((name) => {
    const [upper, lower] = [buildArgs[name], buildArgs[name.toLowerCase()]];
    const either = upper ?? lower;
    if (either === undefined) return [];
    return [
      [name, either],
      [name.toLowerCase(), lower ?? either],
    ] satisfies [string, string][];
  });
}

export const isProxyArg = (name: string): boolean => PROXY_ARGS.includes(name);
