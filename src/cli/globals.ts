/** What every command is given besides its own options. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { offlineError } from '../build/offline-error.ts';
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { NO_LIMITS, parseLimit, type LimitName } from '../oci/limits.ts';
import type { Store } from '../store/store.ts';
import type { BuildFlags } from './flags.ts';
import { createReporter, type ProgressMode } from './reporter.ts';

export interface Globals {
  readonly root: string;
  readonly debug: boolean;
  /** Asking the network is an error. */
  readonly offline: boolean;
  readonly signal: AbortSignal;
  /** Where progress goes, when that is decided already. */
  readonly report?: Reporter;
}

/** What a command's table is given to hand on to its action. */
export interface CommandContext {
  readonly globals: () => Globals;
  /** For commands whose exit status is part of their answer (`run`, `doctor`, `verify`). */
  readonly exitWith: (status: number) => void;
}

/** $ARCH_BUILD_ROOT, /var/lib/arch-build as root, the user's data directory otherwise. */
export function defaultRoot(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['ARCH_BUILD_ROOT'] !== undefined && environment['ARCH_BUILD_ROOT'] !== '') {
    return environment['ARCH_BUILD_ROOT'];
  }
  if (process.getuid?.() === 0) return '/var/lib/arch-build';
  return join(environment['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'arch-build');
}

/** --offline, or $ARCH_BUILD_OFFLINE with anything but nothing or 0. */
export function isOffline(flag: boolean | undefined, environment: NodeJS.ProcessEnv = process.env): boolean {
  return flag ?? !['', '0'].includes(environment['ARCH_BUILD_OFFLINE'] ?? '');
}

/** $ARCH_BUILD_LIMITS, then the options, where the later word counts. Throws USAGE. */
export function limitsFrom(
  { limit = [], limits = true }: { readonly limit?: readonly string[]; readonly limits?: boolean },
  environment: NodeJS.ProcessEnv = process.env,
): ReadonlyMap<LimitName, number> {
  const words = (environment['ARCH_BUILD_LIMITS'] ?? '').split(',').filter((word) => word !== '');
  const isLifted = !limits || words.includes('none');
  const named = [...words.filter((word) => word !== 'none'), ...limit].map(parseLimit);
  return new Map([...(isLifted ? NO_LIMITS : []), ...named]);
}

/** Throws OFFLINE; `wanted` names what the command is about to ask. */
export function requireNetwork({ offline }: Globals, wanted: string, hint?: string): void {
  if (offline) throw offlineError(wanted, hint);
}

/** Throws USAGE where what is wanted of registries is forbidden. */
export function refuseContradiction({ offline }: Globals, { pull }: Pick<BuildFlags, 'pull'>): void {
  if (offline && pull === 'always')
    throw new ArchBuildError('USAGE', '--pull always asks registries, and --offline forbids it');
}

export function reporterFor(globals: Globals, mode: ProgressMode = 'plain'): Reporter {
  return globals.report ?? createReporter(mode, { debug: globals.debug });
}

/** Loaded here: `--version`, `--help` and what completes words are about no store. */
export async function storeFor(globals: Globals, mode: 'shared' | 'exclusive' = 'shared'): Promise<Store> {
  const { openStore } = await import('../store/store.ts');
  return openStore(globals.root, mode);
}
