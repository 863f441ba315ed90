/**
 * How the image looks up users, groups and hosts: the C library loads a module for each service that nsswitch.conf
 * names. A twin has to find the same ones, so what decides it must not change while twins are used.
 */
import type { PackageRoot } from './package-root.ts';
import { readInRoot, resolveInRoot } from './root-files.ts';

export interface NameServices {
  /** Libraries to be there for twins. */
  readonly modules: readonly string[];
  /** Paths of the foreign root that must stay as they are; nothing may be where nothing is. */
  readonly guarded: readonly string[];
}

const SWITCH = '/etc/nsswitch.conf';
const MAX_SWITCH_BYTES = 64 << 10;

/** Asked for without being named: by default, and for the `+` lines of passwd. */
const ALWAYS = ['compat', 'dns', 'files'];

/** Undefined when the file cannot be read although it is there. */
export function nameServicesOf(foreign: PackageRoot): NameServices | undefined {
  const text = readInRoot(foreign.files, SWITCH, MAX_SWITCH_BYTES)?.toString('latin1');
  if (text === undefined && foreign.files.lstat(SWITCH) !== undefined) return undefined;
  const services = new Set([...ALWAYS, ...servicesNamed(text ?? '')]);
  const modules: string[] = [];
  const guarded = [SWITCH];
  for (const service of services) {
    const name = `libnss_${service}.so.2`;
    const places = foreign.libraryDirectories.map((directory) => `${directory}/${name}`);
    if (places.some((path) => resolveInRoot(foreign.files, path) !== undefined)) modules.push(name);
    else guarded.push(...places);
  }
  return { modules, guarded };
}

/** `hosts: files dns [!UNAVAIL=return] # …`; a service's name becomes part of a path. */
function servicesNamed(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').replace(/\[[^\]]*\]/g, ' '))
    .flatMap((line) => /^\s*\w+\s*:(.*)$/.exec(line)?.[1]?.split(/\s+/) ?? [])
    .filter((word) => /^[A-Za-z0-9_]+$/.test(word));
}
